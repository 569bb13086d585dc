{#-
    Returns one row per is_invalid_ flag that is set anywhere, with the number of its rows. `side_columns`: the columns
    with a flag that only this model has.
-#}
{% test no_invalid_values(model, side_columns=[]) %}

{%- set columns = var('flagged_columns') + side_columns %}

with flagged as (

    select
        {%- for column in columns %}
        sum(case when is_invalid_{{ column }} then 1 else 0 end) as is_invalid_{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}

)

{% for column in columns -%}
select 'is_invalid_{{ column }}' as flag, is_invalid_{{ column }} as rows_flagged from flagged where is_invalid_{{ column }} > 0
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
