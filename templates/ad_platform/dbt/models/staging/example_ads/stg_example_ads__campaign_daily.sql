with

source as (

    {{ current_rows('example_ads', 'campaign_daily') }}

),

measured as (

    {{ example_ads_measured('source', columns=[
        'campaign_id',
        'campaign_name',
        'campaign_status',
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
    objective as channel,

    {{ measures_and_flags() }},

    extract_run_id,
    ingested_at,
    pulled_at
from measured
