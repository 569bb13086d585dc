{#-
    Compares the sums per day and platform with another model's, and the sum of the column `row_count` with the other
    model's number of rows: sums alone don't show that two rows became one. Returns the days and platforms that differ.
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
