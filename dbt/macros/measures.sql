{#- The measures that all ad platforms share, the rules for flagging them, and the ratios made of them. -#}

{#-
    The measures and their flags, from a relation where null means missing or unreadable. A bad value is flagged and
    kept as it came (a missing one as 0): rows in are rows out, and totals stay comparable with the platform's own.
-#}
{% macro measures_and_flags() -%}
    coalesce(impressions, 0) as impressions,
    coalesce(clicks, 0) as clicks,
    coalesce(spend, cast(0 as {{ numeric_type() }})) as spend,
    coalesce(conversions, cast(0 as {{ numeric_type() }})) as conversions,
    coalesce(conversion_value, cast(0 as {{ numeric_type() }})) as conversion_value,

    impressions is null or impressions < 0 as is_invalid_impressions,
    clicks is null or clicks < 0 or coalesce(clicks > impressions, false) as is_invalid_clicks,
    spend is null or spend < 0 as is_invalid_spend,
    conversions is null or conversions < 0 as is_invalid_conversions,
    conversion_value is null or conversion_value < 0 as is_invalid_conversion_value,
    currency is null or not {{ matches('currency', '^[A-Z]{3}$') }} as is_invalid_currency
{%- endmacro %}


{#- The ratios, from summed measures of those names. Fractions, not percent; null where there is nothing to divide by. -#}
{% macro kpis() -%}
    {{ safe_divide('clicks', 'impressions') }} as ctr,
    {{ safe_divide('spend', 'conversions') }} as cpa,
    {{ safe_divide('conversions', 'clicks') }} as conversion_rate,
    {{ safe_divide('conversion_value', 'spend') }} as roas,
    {{ safe_divide('spend', 'clicks') }} as cpc,
    {{ safe_divide('1000 * spend', 'impressions') }} as cpm
{%- endmacro %}


{#- Null for a denominator that is null or zero. In floating point on every engine: their exact division rounds apart. -#}
{% macro safe_divide(numerator, denominator) -%}
    cast({{ numerator }} as {{ double_type() }}) / nullif(cast({{ denominator }} as {{ double_type() }}), 0)
{%- endmacro %}
