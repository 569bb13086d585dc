{#-
    The same sums per day and platform as another model, and as many rows there as the column `row_count` adds up to
    here: sums alone would not see two rows become one. Gives the days and platforms that differ.
-#}
{% test sums_match(model, compare_model, columns, row_count) %}

with

compared as (

    select
        date,
        platform,
        {%- for column in columns %}
        sum({{ column }}) as {{ column }},
        {%- endfor %}
        count(*) as {{ row_count }}
    from {{ compare_model }}
    where {{ in_window('date') }}
    group by date, platform

),

found as (

    select
        date,
        platform,
        {%- for column in columns + [row_count] %}
        sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
    group by date, platform

)

select
    coalesce(compared.date, found.date) as date,
    coalesce(compared.platform, found.platform) as platform
from compared
full outer join found
    on compared.date = found.date
    and compared.platform = found.platform
where
    {% for column in columns + [row_count] -%}
    {{ 'or ' if not loop.first }}compared.{{ column }} is distinct from found.{{ column }}
    {% endfor %}

{% endtest %}
