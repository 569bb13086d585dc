{%- set history = var('maturity_history_days') -%}

with

dates as (

    select distinct
        date,
        platform,
        account_id
    from {{ ref('int_campaign__daily_unified') }}
    where {{ in_window('date') }}

),

ages as (
    {{ measured_ages() }}
),

wanted as (

    select
        dates.date,
        dates.platform,
        dates.account_id,
        ages.age_days
    from dates
    cross join ages

),

observed as (

    select *
    from {{ ref('int_account__daily_maturity') }}
    where {{ in_window_or_before('date', history) }}

),

-- both the days that a curve is for and the days that it is measured on
days as (

    select
        coalesce(wanted.date, observed.date) as date,
        coalesce(wanted.platform, observed.platform) as platform,
        coalesce(wanted.account_id, observed.account_id) as account_id,
        coalesce(wanted.age_days, observed.age_days) as age_days,
        wanted.date is not null as is_wanted,
        observed.date is not null as is_observed,
        observed.conversions_at_age,
        observed.conversions_final
    from wanted
    full outer join observed
        on wanted.date = observed.date
        and wanted.platform = observed.platform
        and wanted.account_id = observed.account_id
        and wanted.age_days = observed.age_days

),

{% set key = ['platform', 'account_id', 'age_days'] -%}
pooled as (

    select
        date,
        platform,
        account_id,
        age_days,
        is_wanted,
        {{ sum_of_days_before('case when is_observed then 1 else 0 end', key, history) | indent(8) }} as days_observed,
        {{ sum_of_days_before('conversions_at_age', key, history) | indent(8) }} as conversions_at_age,
        {{ sum_of_days_before('conversions_final', key, history) | indent(8) }} as conversions_final
    from days

)

select
    date,
    platform,
    account_id,
    cast(age_days as bigint) as age_days,

    cast(days_observed as bigint) as days_observed,
    cast(conversions_at_age as {{ numeric_type() }}) as conversions_at_age,
    cast(conversions_final as {{ numeric_type() }}) as conversions_final,
    {{ safe_divide('conversions_at_age', 'conversions_final') }} as completeness
from pooled
where is_wanted
