with

source as (

    {{ current_rows('google_ads', 'account_daily') }}

),

renamed as (

    select
        -- grain
        date,
        account_id,

        -- names and settings
        customer_descriptive_name as account_name,
        nullif(customer_currency_code, '') as currency,
        customer_time_zone as time_zone,

        -- measures: null is missing or unreadable
        metrics_impressions as impressions,
        metrics_clicks as clicks,
        {{ micros_to_currency('metrics_cost_micros') }} as spend,
        {{ double_to_numeric('metrics_conversions') }} as conversions,
        {{ double_to_numeric('metrics_conversions_value') }} as conversion_value,
        {{ double_to_numeric('metrics_all_conversions') }} as all_conversions,

        -- provenance
        extract_run_id,
        ingested_at
    from source

)

select
    date,
    account_id,

    account_name,
    currency,
    time_zone,

    {{ measures_and_flags() }},
    all_conversions,

    extract_run_id,
    ingested_at
from renamed
