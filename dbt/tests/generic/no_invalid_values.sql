{#- Gives one row per is_invalid_ flag that is set anywhere, with the number of rows it is set on. -#}
{% test no_invalid_values(model) %}

{%- set flags = [
    'is_invalid_impressions',
    'is_invalid_clicks',
    'is_invalid_spend',
    'is_invalid_conversions',
    'is_invalid_conversion_value',
    'is_invalid_currency',
] %}

with flagged as (

    select
        {%- for flag in flags %}
        sum(case when {{ flag }} then 1 else 0 end) as {{ flag }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}

)

{% for flag in flags -%}
select '{{ flag }}' as flag, {{ flag }} as rows_flagged from flagged where {{ flag }} > 0
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
