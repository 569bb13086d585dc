{{ config(pre_hook="{{ as_double('exchange_rate') }}") }}

-- The mart must not publish a day with lost rows: the check on the reconciliation runs before this model.
-- depends_on: {{ ref('int_account__reconciliation') }}

with

campaigns as (

    select *
    from {{ ref('int_campaign__daily_unified') }}
    where {{ in_window('date') }}

),

account_maturity as (

    select
        date,
        platform,
        account_id,
        age_days,
        completeness
    from {{ ref('mart_account__maturity') }}
    where {{ in_window('date') }}
        and {{ has_own_completeness('days_observed') }}

),

platform_maturity as (

    select
        date,
        platform,
        age_days,
        completeness
    from {{ ref('mart_platform__maturity') }}
    where {{ in_window('date') }}

),

measured as (

    select
        campaigns.*,
        coalesce(account_maturity.completeness, platform_maturity.completeness) as completeness,
        case
            when campaigns.is_final then 'final'
            when account_maturity.completeness is not null then 'account'
            when platform_maturity.completeness is not null then 'platform'
        end as completeness_source
    from campaigns
    left join account_maturity
        on campaigns.date = account_maturity.date
        and campaigns.platform = account_maturity.platform
        and campaigns.account_id = account_maturity.account_id
        and {{ measured_age('campaigns.age_days') | indent(8) }} = account_maturity.age_days
    left join platform_maturity
        on campaigns.date = platform_maturity.date
        and campaigns.platform = platform_maturity.platform
        and {{ measured_age('campaigns.age_days') | indent(8) }} = platform_maturity.age_days

),

joined as (

    select
        measured.*,
        case
            when is_final or completeness > 1 then cast(1 as {{ double_type() }})
            -- without conversions at this age, nothing can be estimated
            when completeness > 0 then completeness
        end as expected_completeness
    from measured

)

select
    date,
    platform,
    campaign_id,

    client_id,
    client_name,
    account_id,
    account_name,
    campaign_name,
    campaign_status,
    channel,
    currency,
    reporting_currency,
    exchange_rate,

    impressions,
    clicks,
    clicks_all,
    link_clicks,
    spend,
    conversions,
    conversion_value,
    conversions_by_conversion_date,
    conversion_value_by_conversion_date,
    conversion_dating,
    spend_reporting,
    conversion_value_reporting,
    conversion_value_by_conversion_date_reporting,

    {{ kpis() }},

    age_days,
    is_final,
    expected_completeness,
    completeness_source,

    has_invalid_values,
    facts_digest,
    extract_run_id,
    ingested_at
from joined
