with

campaigns as (

    select *
    from {{ ref('int_campaign__daily_unified') }}
    where {{ in_window('date') }}

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
    spend,
    conversions,
    conversion_value,
    spend_reporting,
    conversion_value_reporting,

    {{ kpis() }},

    has_invalid_values,
    extract_run_id,
    ingested_at
from campaigns
