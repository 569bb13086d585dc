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
        cast(sum(clicks_all) as bigint) as clicks_all,
        -- null in a row means unknown: a sum of the other rows would look complete
        case when count(link_clicks) = count(*) then cast(sum(link_clicks) as bigint) end as link_clicks,
        sum(spend_reporting) as spend,
        sum(conversions) as conversions,
        sum(conversion_value_reporting) as conversion_value,
        case when count(conversions_by_conversion_date) = count(*) then sum(conversions_by_conversion_date) end
            as conversions_by_conversion_date,
        case
            when count(conversion_value_by_conversion_date) = count(*)
                then sum(conversion_value_by_conversion_date_reporting)
        end as conversion_value_by_conversion_date,
        case
            when count(distinct conversion_dating) = 1 and count(conversion_dating) = count(*)
                then max(conversion_dating)
        end as conversion_dating
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
        clicks_all,
        link_clicks,
        case when is_one_currency then spend end as spend,
        conversions,
        case when is_one_currency then conversion_value end as conversion_value,
        conversions_by_conversion_date,
        case when is_one_currency then conversion_value_by_conversion_date end as conversion_value_by_conversion_date,
        conversion_dating
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
    clicks_all,
    link_clicks,
    spend,
    conversions,
    conversion_value,
    conversions_by_conversion_date,
    conversion_value_by_conversion_date,
    conversion_dating,

    {{ kpis() }}
from summed
