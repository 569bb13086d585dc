{#- Returns one row per is_invalid_ flag that is set anywhere, with the number of its rows. -#}
{% test no_invalid_values(model) %}

with flagged as (

    select
        {%- for column in var('flagged_columns') %}
        sum(case when is_invalid_{{ column }} then 1 else 0 end) as is_invalid_{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}

)

{% for column in var('flagged_columns') -%}
select 'is_invalid_{{ column }}' as flag, is_invalid_{{ column }} as rows_flagged from flagged where is_invalid_{{ column }} > 0
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
