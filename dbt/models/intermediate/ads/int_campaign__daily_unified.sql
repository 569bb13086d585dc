{{ config(pre_hook="{{ as_double('exchange_rate') }}") }}

with

campaigns as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        date,
        account_id,
        campaign_id,
        account_name,
        currency,
        time_zone,
        -- Google sends nothing for a campaign without a name, Meta an empty text
        nullif(campaign_name, '') as campaign_name,
        campaign_status,
        channel,
        impressions,
        clicks,
        link_clicks,
        spend,
        conversions,
        conversion_value,
        conversions_by_conversion_date,
        conversion_value_by_conversion_date,
        conversion_dating,
        (
            {% for column in var('flagged_columns') -%}
            {{ 'or ' if not loop.first }}is_invalid_{{ column }}
            {% endfor %}
        ) as has_invalid_values,
        extract_run_id,
        ingested_at,
        pulled_at
    from {{ ref('stg_' ~ platform ~ '__campaign_daily') }}
    where {{ in_window('date') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

accounts as (

    {{ accounts_by_day(var('ad_platforms')) }}

),

joined as (

    select
        campaigns.date,
        campaigns.platform,
        campaigns.campaign_id,
        campaigns.account_id,
        -- the row's own value, otherwise the account's
        coalesce(nullif(campaigns.account_name, ''), nullif(accounts.account_name, '')) as account_name,
        coalesce(campaigns.currency, nullif(accounts.currency, '')) as currency,
        coalesce(nullif(campaigns.time_zone, ''), nullif(accounts.time_zone, '')) as time_zone,
        campaigns.campaign_name,
        campaigns.campaign_status,
        campaigns.channel,
        campaigns.impressions,
        campaigns.clicks,
        campaigns.link_clicks,
        campaigns.spend,
        campaigns.conversions,
        campaigns.conversion_value,
        campaigns.conversions_by_conversion_date,
        campaigns.conversion_value_by_conversion_date,
        campaigns.conversion_dating,
        campaigns.has_invalid_values,
        campaigns.extract_run_id,
        campaigns.ingested_at,
        {{ age_days('campaigns.date', 'campaigns.pulled_at', 'accounts.time_zone') }} as age_days,
        {%- set lookback = lookback_of('campaigns.platform', 'accounts.lookback_days') | indent(8) %}
        {{ is_settled('campaigns.date', 'campaigns.platform', lookback, 'accounts.time_zone', 'campaigns.pulled_at') }}
            as is_final,
        coalesce(accounts.client_id, 'unassigned') as client_id,
        accounts.client_name,
        accounts.reporting_currency,
        -- the rate is for the account's registered currency; for rows in another currency it is unknown
        case
            when campaigns.currency <> accounts.currency then null
            else {{ finite('accounts.exchange_rate') }}
        end as exchange_rate,
        accounts.facts_digest
    from campaigns
    left join accounts
        on campaigns.platform = accounts.source
        and campaigns.account_id = accounts.account_id
        and {{ valid_on('campaigns.date') | indent(8) }}

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
    time_zone,
    reporting_currency,
    exchange_rate,

    impressions,
    clicks,
    clicks as clicks_all,
    link_clicks,
    spend,
    conversions,
    conversion_value,
    conversions_by_conversion_date,
    conversion_value_by_conversion_date,
    conversion_dating,
    {{ at_exchange_rate('spend', 'exchange_rate') }} as spend_reporting,
    {{ at_exchange_rate('conversion_value', 'exchange_rate') }} as conversion_value_reporting,
    {{ at_exchange_rate('conversion_value_by_conversion_date', 'exchange_rate') }}
        as conversion_value_by_conversion_date_reporting,

    age_days,
    is_final,

    has_invalid_values,
    facts_digest,
    extract_run_id,
    ingested_at
from joined
