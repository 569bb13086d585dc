with

source as (

    {{ current_rows('example_ads', 'account_daily') }}

),

measured as (

    {{ example_ads_measured('source', columns=['pulled_at']) }}

)

select
    date,
    account_id,

    account_name,
    currency,
    time_zone,

    {{ measures_and_flags() }},

    extract_run_id,
    ingested_at,
    pulled_at
from measured
