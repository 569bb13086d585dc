{#-
    How far the sum of an account's campaigns may differ from its total, because both were extracted at different
    moments. The conditions read the columns of int_account__reconciliation; the prefix 'known_' stands for the total that
    was known when the campaigns were extracted.
-#}

{#-
    Whether the two contents are from the same moment: at most five minutes apart, or one minute on a day that is filling
    up. MDP extracts the reports of a run within minutes; Meta refreshes its figures every 15 minutes, Google within three
    hours. Such contents must tie.
-#}
{% macro is_same_moment(prefix) -%}
    ({{ prefix }}minutes_apart <= case when {{ prefix }}is_filling then 1 else 5 end)
{%- endmacro %}


{#-
    Whether a `day` was still filling up at an instant: it was running, or had ended less than three hours ago. Google
    shows clicks and cost within three hours (support.google.com/google-ads/answer/2544985).
-#}
{% macro is_filling(day, time_zone, instant) -%}
    {{ day_in_zone(hours_before(instant, 3), time_zone, 'Etc/GMT+12') }} <= {{ day }}
{%- endmacro %}


{#-
    The share of a figure by which it may move between the two contents, apart from the same moment and settled days:

    - On a day that is filling up, three times the even share of that time in the time since midnight.
    - On other days, `rate` an hour at the age of one day, half of it at two days, and so on.

    Platforms publish in steps (every 15 minutes, every hour): one step counts in addition.
-#}
{% macro moment_share(prefix) -%}
    {%- set minutes = to_double(prefix ~ 'minutes_apart') -%}
    {%- set hour = 'case when ' ~ prefix ~ 'age_days > 0 then 24 else ' ~ prefix ~ 'hour end' -%}
    case
        when {{ prefix }}is_filling then 3 * ({{ minutes }} + 15) / (60 * {{ to_double(hour) }} + {{ minutes }} + 15)
        else {{ to_double('rate') }} * ({{ minutes }} + 60) / (60 * {{ to_double(prefix ~ 'age_days') }})
    end
{%- endmacro %}


{#-
    By how much the campaigns may differ from a total because of the moments of the two contents: 0 at the same moment
    and on a settled day.
-#}
{% macro moment_allowance(prefix) -%}
    case
        when {{ is_same_moment(prefix) }} or {{ prefix }}is_settled then 0
        when {{ prefix }}share >= 1 then {{ prefix }}larger
        when {{ prefix }}larger * {{ prefix }}share > little then {{ prefix }}larger * {{ prefix }}share
        else little
    end
{%- endmacro %}


{#- Whether what is left of a difference is 0, apart from rounding and an allowance. False if it is unknown. -#}
{% macro is_within(residual, allowance) -%}
    coalesce(abs({{ to_double(residual) }}) <= {{ to_double('rounding') }} + {{ allowance }}, false)
{%- endmacro %}


{#-
    The amount of an account's day in a relation of int_account__reconciliation: 0 without a row. An optional amount is
    null if no row has it.
-#}
{% macro amount_in(relation, metric, is_optional) -%}
    {%- if is_optional -%}
    case
        when {{ relation }}.account_id is null then cast(0 as {{ numeric_type() }})
        else cast({{ relation }}.{{ metric }} as {{ numeric_type() }})
    end
    {%- else -%}
    coalesce(cast({{ relation }}.{{ metric }} as {{ numeric_type() }}), cast(0 as {{ numeric_type() }}))
    {%- endif -%}
{%- endmacro %}


{#- The average value of a day's conversions, in the campaigns or in the total, the larger one of each. -#}
{% macro average_value(metric, count) -%}
    {%- set larger = "coalesce(case when abs(total_{0}) > abs(unified_{0}) then abs(total_{0}) else abs(unified_{0}) end, 0)" -%}
    {{ to_double(larger.format(metric)) }}
    / case when {{ larger.format(count) }} > 0 then {{ to_double(larger.format(count)) }} else 1 end
{%- endmacro %}


{#- The pairs of a platform and a metric that it has, out of the metrics of int_account__reconciliation. -#}
{% macro metrics_of_platforms(metrics) -%}
    {%- set found = [] -%}
    {%- for platform in var('ad_platforms') -%}
        {%- for metric, how in metrics.items() if not how.is_optional or metric in var('also_reconciled').get(platform, []) -%}
            {%- do found.append((platform, metric)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
