{#- The age of a day when MDP saw it, and how much of its conversions has usually arrived by that age. -#}

{#- The age in days of a `day` at an instant: the instant's day in UTC minus the day. 0 on the day itself. -#}
{% macro age_days(day, instant) -%}
    {{ days_from(day, 'cast(' ~ instant ~ ' as date)') }}
{%- endmacro %}


{#- The greatest of the ages at which maturity is measured that is not above `age`; null below the smallest. -#}
{% macro measured_age(age) -%}
    case
        {%- for measured in var('maturity_ages') | sort(reverse=true) %}
        when {{ age }} >= {{ measured }} then {{ measured }}
        {%- endfor %}
    end
{%- endmacro %}


{#- One row per age at which maturity is measured. -#}
{% macro measured_ages() -%}
    {%- for measured in var('maturity_ages') | sort %}
    select {{ measured }} as age_days
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
