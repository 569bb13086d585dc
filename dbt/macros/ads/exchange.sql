{#- Money in the client's reporting currency. -#}

{#- A number that can be calculated with; null for NaN and infinity. -#}
{% macro finite(double) -%}
    case when abs({{ double }}) < 1e300 then {{ double }} end
{%- endmacro %}


{#-
    An amount of money at an exchange rate, which is a double: NUMERIC has nine decimals, so a rate of 0.000049321 would
    have five digits. Exact if the rate has at most nine decimals. Otherwise both are multiplied in floating point, and
    the result is rounded once, to nine decimals.
-#}
{% macro at_exchange_rate(amount, rate) -%}
    case
        when {{ to_double(double_to_numeric(rate)) }} = {{ rate }}
            then cast({{ amount }} * {{ double_to_numeric(rate) }} as {{ numeric_type() }})
        else {{ double_to_numeric(to_double(amount) ~ ' * ' ~ rate) }}
    end
{%- endmacro %}
