with

campaigns as (

    select *
    from {{ ref('mart_campaign__daily') }}
    where {{ in_window('date') }}

),

grouped as (

    select
        client_id,
        date,
        platform,

        max(client_name) as client_name,
        case when count(distinct reporting_currency) = 1 then max(reporting_currency) end as reporting_currency,
        -- amounts can be added if every row was converted, and all into one currency
        count(distinct reporting_currency) = 1 and count(exchange_rate) = count(*) as is_one_currency,
        count(distinct account_id) as accounts,
        count(distinct case when exchange_rate is null then account_id end) as accounts_without_rate,
        count(distinct campaign_id) as campaigns,

        cast(sum(impressions) as bigint) as impressions,
        cast(sum(clicks) as bigint) as clicks,
        sum(spend_reporting) as spend,
        sum(conversions) as conversions,
        sum(conversion_value_reporting) as conversion_value
    from campaigns
    group by client_id, date, platform

),

summed as (

    select
        client_id,
        date,
        platform,

        client_name,
        reporting_currency,
        accounts,
        accounts_without_rate,
        campaigns,

        impressions,
        clicks,
        case when is_one_currency then spend end as spend,
        conversions,
        case when is_one_currency then conversion_value end as conversion_value
    from grouped

)

select
    client_id,
    date,
    platform,

    client_name,
    reporting_currency,
    accounts,
    accounts_without_rate,
    campaigns,

    impressions,
    clicks,
    spend,
    conversions,
    conversion_value,

    {{ kpis() }}
from summed
