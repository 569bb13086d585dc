{#- One row per key, and no null in it: rows with a null key would be different rows that nothing can tell apart. -#}
{% test grain_unique(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as rows_of_key
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {{ columns | join(' is null or ') }} is null

{% endtest %}
