{{ config(pre_hook="{{ as_double('exchange_rate') }}") }}

-- The mart must not publish a day with lost rows: the check on the reconciliation runs before this model.
-- depends_on: {{ ref('int_account__reconciliation') }}

with

campaigns as (

    select *
    from {{ ref('int_campaign__daily_unified') }}
    where {{ in_window('date') }}

),

maturity as (

    select
        date,
        platform,
        age_days,
        completeness
    from {{ ref('mart_platform__maturity') }}
    where {{ in_window('date') }}

),

joined as (

    select
        campaigns.*,
        case
            when campaigns.is_final or maturity.completeness > 1 then cast(1 as {{ double_type() }})
            -- without conversions at this age, nothing can be estimated
            when maturity.completeness > 0 then maturity.completeness
        end as expected_completeness
    from campaigns
    left join maturity
        on campaigns.date = maturity.date
        and campaigns.platform = maturity.platform
        and {{ measured_age('campaigns.age_days') | indent(8) }} = maturity.age_days

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

    has_invalid_values,
    facts_digest,
    extract_run_id,
    ingested_at
from joined
