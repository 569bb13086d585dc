{#- The age of a day when MDP saw it, and how much of its conversions has usually arrived by that age. -#}

{#-
    The age in days of a `day` at an instant: the instant's day in the account's time zone (in UTC, if the zone is
    unknown) minus the day. 0 on the day itself, and before it.
-#}
{% macro age_days(day, instant, time_zone) -%}
    {%- set age = days_from(day, day_in_zone(instant, time_zone)) -%}
    case when {{ age }} < 0 then 0 else {{ age }} end
{%- endmacro %}


{#-
    Whether a `day` that was extracted at an instant has its final figures: its lookback had ended in the account's time
    zone, and the platform had had its processing hours since then. If the zone is unknown, the zone in which a day ends
    last counts. False without a lookback. mdp_dagster/ingest/settling.py has the same rule.
-#}
{% macro is_settled(day, platform, lookback_days, time_zone, instant) -%}
    {%- set processing_hours -%}
        case {{ platform }}
            {%- for name, hours in var('processing_hours').items() %}
            when '{{ name }}' then {{ hours }}
            {%- endfor %}
            else 0
        end
    {%- endset -%}
    {%- set processed = day_in_zone(hours_before(instant, processing_hours), time_zone, 'Etc/GMT+12') -%}
    coalesce({{ days_from(day, processed) }} > {{ lookback_days }}, false)
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


{#- An account's own completeness applies from this number of final days on. With fewer, the platform's applies. -#}
{% macro has_own_completeness(days_observed) -%}
    {{ days_observed }} >= {{ var('maturity_account_days') }}
{%- endmacro %}


{#- The sum over the rows of the `days` days before a row's day, within its partition. -#}
{% macro sum_of_days_before(expression, partition, days) -%}
    coalesce(
        sum({{ expression }}) over (
            partition by {{ partition | join(', ') }}
            order by {{ days_from("date '1970-01-01'", 'date') }}
            range between {{ days }} preceding and 1 preceding
        ),
        0
    )
{%- endmacro %}
