with

source as (

    {{ current_rows('google_ads', 'account_daily') }}

),

measured as (

    {{ google_ads_measured('source', columns=['pulled_at']) }}

)

select
    date,
    account_id,

    account_name,
    currency,
    time_zone,

    {{ measures_and_flags() }},
    all_conversions,
    is_invalid_all_conversions,
    is_invalid_conversions_by_conversion_date,
    is_invalid_conversion_value_by_conversion_date,

    extract_run_id,
    ingested_at,
    pulled_at
from measured
