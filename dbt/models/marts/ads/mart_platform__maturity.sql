{%- set history = var('maturity_history_days') -%}

with

dates as (

    select distinct
        date,
        platform
    from {{ ref('int_campaign__daily_unified') }}
    where {{ in_window('date') }}

),

ages as (
    {{ measured_ages() }}
),

observed as (

    select *
    from {{ ref('int_platform__daily_maturity') }}
    where {{ in_window_or_before('date', history) }}

),

pooled as (

    select
        dates.date,
        dates.platform,
        ages.age_days,
        count(observed.date) as days_observed,
        coalesce(sum(observed.conversions_at_age), cast(0 as {{ numeric_type() }})) as conversions_at_age,
        coalesce(sum(observed.conversions_final), cast(0 as {{ numeric_type() }})) as conversions_final
    from dates
    cross join ages
    left join observed
        on dates.platform = observed.platform
        and ages.age_days = observed.age_days
        and {{ days_from('observed.date', 'dates.date') }} between 1 and {{ history }}
    group by dates.date, dates.platform, ages.age_days

)

select
    date,
    platform,
    cast(age_days as bigint) as age_days,

    days_observed,
    conversions_at_age,
    conversions_final,
    {{ safe_divide('conversions_at_age', 'conversions_final') }} as completeness
from pooled
