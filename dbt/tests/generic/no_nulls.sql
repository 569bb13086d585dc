{#- Several not_null tests in one query. Returns one row per column that has nulls. -#}
{% test no_nulls(model, columns) %}

with counted as (

    select
        {%- for column in columns %}
        sum(case when {{ column }} is null then 1 else 0 end) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}

)

{% for column in columns -%}
select '{{ column }}' as column_name, {{ column }} as rows_without from counted where {{ column }} > 0
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
