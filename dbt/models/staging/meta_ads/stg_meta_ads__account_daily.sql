with

source as (

    {{ current_rows('meta_ads', 'account_daily') }}

),

measured as (

    {{ meta_ads_measured('source', columns=['pulled_at']) }}

)

select
    date,
    account_id,

    account_name,
    currency,
    time_zone,

    {{ measures_and_flags() }},
    reach,
    inline_link_clicks,
    is_invalid_reach,
    is_invalid_inline_link_clicks,
    conversion_action_type,
    actions_text as actions,

    extract_run_id,
    ingested_at,
    pulled_at
from measured
