{#- The measures that all ad platforms share, the rules for flagging them, and the ratios made of them. -#}

{#-
    The measures, from a relation in which null means missing or unreadable. A missing value becomes 0, other values
    stay as they are. No row is dropped, so the totals stay comparable with the platform's own.

    Link clicks and the conversions by the day of the conversion stay null: rows that were extracted without them, and
    days that are dated differently, have an unknown number of them, not 0.
-#}
{% macro measures() -%}
    coalesce(impressions, 0) as impressions,
    coalesce(clicks, 0) as clicks,
    link_clicks,
    coalesce(spend, cast(0 as {{ numeric_type() }})) as spend,
    coalesce(conversions, cast(0 as {{ numeric_type() }})) as conversions,
    coalesce(conversion_value, cast(0 as {{ numeric_type() }})) as conversion_value,
    conversions_by_conversion_date,
    conversion_value_by_conversion_date,
    conversion_dating
{%- endmacro %}


{#- The measures, and a flag for each measure that can't be right. -#}
{% macro measures_and_flags() -%}
    {{ measures() }},
    {% for column in var('flagged_columns') %}
    {{ is_invalid(column) }} as is_invalid_{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#-
    The rule behind the is_invalid_ flag of a column that is not essential: the source sent a value that can't be read,
    or a negative one. An unreadable value is null. The row is valid either way.
-#}
{% macro is_invalid_side_value(sent, converted) -%}
    ({{ sent }} is not null and ({{ converted }} is null or {{ converted }} < 0))
{%- endmacro %}


{#-
    The rule behind a column's is_invalid_ flag. Clicks may exceed the impressions of a day, because a click after
    midnight can follow an impression before midnight. For the same reason conversions may exceed the clicks.
-#}
{% macro is_invalid(column) -%}
    {%- if column == 'currency' -%}
    currency is null or not {{ matches('currency', '^[A-Z]{3}$') }}
    {%- else -%}
    {{ column }} is null or {{ column }} < 0
    {%- endif -%}
{%- endmacro %}


{#-
    The ratios, from summed measures of those names. Fractions, not percent; null where the denominator is not positive.
    Clicks are link clicks: Meta's `clicks` also count reactions, comments and clicks on the profile.
-#}
{% macro kpis() -%}
    {{ safe_divide('link_clicks', 'impressions') }} as ctr,
    {{ safe_divide('spend', 'conversions') }} as cpa,
    {{ safe_divide('conversions', 'link_clicks') }} as conversion_rate,
    {{ safe_divide('conversion_value', 'spend') }} as roas,
    {{ safe_divide('spend', 'link_clicks') }} as cpc,
    {{ safe_divide('1000 * spend', 'impressions') }} as cpm
{%- endmacro %}


{#-
    Null unless the denominator is positive: a platform can withdraw more than it counted, and a ratio to a negative
    number would have the wrong sign (100.00 spent for -1 conversions is not a CPA of -100.00). In floating point,
    because exact division rounds differently on each engine.
-#}
{% macro safe_divide(numerator, denominator) -%}
    {{ to_double(numerator) }} / case when {{ denominator }} > 0 then {{ to_double(denominator) }} end
{%- endmacro %}
