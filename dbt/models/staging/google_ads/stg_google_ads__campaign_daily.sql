with

source as (

    {{ current_rows('google_ads', 'campaign_daily') }}

),

measured as (

    {{ google_ads_measured('source', columns=[
        'campaign_id',
        'campaign_name',
        'campaign_status',
        'campaign_advertising_channel_type',
        'pulled_at',
    ]) }}

)

select
    date,
    account_id,
    cast(campaign_id as string) as campaign_id,

    account_name,
    currency,
    time_zone,
    campaign_name,
    campaign_status,
    campaign_advertising_channel_type as channel,

    {{ measures_and_flags() }},
    all_conversions,
    is_invalid_all_conversions,
    is_invalid_conversions_by_conversion_date,
    is_invalid_conversion_value_by_conversion_date,

    extract_run_id,
    ingested_at,
    pulled_at
from measured
