with

source as (

    {{ current_rows('meta_ads', 'account_daily') }}

),

accounts as (

    {{ current_accounts(['meta_ads']) }}

),

renamed as (

    select
        -- grain
        date,
        account_id,

        -- names and settings
        account_name,
        nullif(account_currency, '') as currency,
        timezone_name as time_zone,

        -- measures: text as Meta sends it; null is missing or unreadable
        {{ text_to_integer('impressions') }} as impressions,
        {{ text_to_integer('clicks') }} as clicks,
        {{ text_to_numeric('spend') }} as spend,
        {{ text_to_integer('reach') }} as reach,
        {{ text_to_integer('inline_link_clicks') }} as inline_link_clicks,

        -- conversions, not yet chosen
        actions as actions_text,
        action_values as action_values_text,
        {{ parse_actions('actions') }} as actions,
        {{ parse_actions('action_values') }} as action_values,

        -- provenance
        extract_run_id,
        ingested_at
    from source

),

chosen as (

    select
        renamed.*,
        {{ chosen_action_type(
            configured="nullif(accounts.conversion_action_type, '')",
            actions='renamed.actions',
            action_values='renamed.action_values'
        ) | indent(4) }} as conversion_action_type
    from renamed
    left join accounts
        on renamed.account_id = accounts.account_id

),

counted as (

    select
        *,
        {{ total_of_chosen_type('actions_text', 'actions') | indent(4) }} as conversions,
        {{ total_of_chosen_type('action_values_text', 'action_values') | indent(4) }} as conversion_value
    from chosen

)

select
    date,
    account_id,

    account_name,
    currency,
    time_zone,

    {{ measures_and_flags() }},
    reach,
    coalesce(inline_link_clicks, 0) as inline_link_clicks,
    conversion_action_type,

    extract_run_id,
    ingested_at
from counted
