with

source as (

    {{ current_rows('meta_ads', 'campaign_daily') }}

),

measured as (

    {{ meta_ads_measured('source', columns=[
        'campaign_id',
        'campaign_name',
        'campaign_status',
        'campaign_effective_status',
        'objective',
        'pulled_at',
    ]) }}

)

select
    date,
    account_id,
    campaign_id,

    account_name,
    currency,
    time_zone,
    campaign_name,
    campaign_status,
    campaign_effective_status,
    objective as channel,

    {{ measures_and_flags() }},
    reach,
    inline_link_clicks,
    is_invalid_reach,
    is_invalid_inline_link_clicks,
    conversion_action_type,

    extract_run_id,
    ingested_at,
    pulled_at
from measured
