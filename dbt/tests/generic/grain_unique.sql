{#- One row per key, without nulls in the key: rows with a null key could not be distinguished. -#}
{% test grain_unique(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as rows_of_key
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {{ columns | join(' is null or ') }} is null

{% endtest %}
