-- This model does not read staging, which has one version of a day. But it runs only after staging was checked.
{% for platform in var('ad_platforms') -%}
-- depends_on: {{ ref('stg_' ~ platform ~ '__account_daily') }}
{% endfor %}
with

accounts as (

    {{ accounts_by_day(var('ad_platforms')) }}

),

ages as (
    {{ measured_ages() }}
),

campaign_extracts as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        extracted_at as pulled_at
    from (
        {{ current_extracts(platform, 'campaign_daily') | indent(4) }}
    ) as extracts
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- the marts have the final values of these days
final_days as (

    select
        campaign_extracts.platform,
        campaign_extracts.account_id,
        campaign_extracts.date
    from campaign_extracts
    left join accounts
        on campaign_extracts.platform = accounts.source
        and campaign_extracts.account_id = accounts.account_id
        and {{ valid_on('campaign_extracts.date') | indent(8) }}
    {%- set lookback = lookback_of('campaign_extracts.platform', 'accounts.lookback_days') | indent(4) %}
    where {{ is_settled(
        'campaign_extracts.date',
        'campaign_extracts.platform',
        lookback,
        'accounts.time_zone',
        'campaign_extracts.pulled_at'
    ) | indent(4) }}

),

total_versions as (

    {{ versions_of_all_platforms('account_daily', days='final_days') }}

),

totals as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        date,
        account_id,
        version,
        conversions
    from (
        {{ measured_versions(platform, 'account_daily', 'total_versions') | indent(4) }}
    ) as measured_versions
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

final_versions as (

    select
        total_versions.platform,
        total_versions.account_id,
        total_versions.date,
        total_versions.version,
        {{ age_days('total_versions.date', 'total_versions.seen_at', 'accounts.time_zone') }} as age_days,
        -- a version without a row is a day without activity
        coalesce(totals.conversions, cast(0 as {{ numeric_type() }})) as conversions
    from total_versions
    left join totals
        on total_versions.platform = totals.platform
        and total_versions.account_id = totals.account_id
        and total_versions.date = totals.date
        and total_versions.version = totals.version
    left join accounts
        on total_versions.platform = accounts.source
        and total_versions.account_id = accounts.account_id
        and {{ valid_on('total_versions.date') | indent(8) }}

),

-- An account's day counts at the ages since its first extract. The hourly probe leaves a row only where
-- something changed: between two versions, the first of them was current.
at_age as (

    select
        final_versions.platform,
        final_versions.account_id,
        final_versions.date,
        ages.age_days,
        max(final_versions.version) as version
    from final_versions
    inner join ages
        on final_versions.age_days <= ages.age_days
    group by final_versions.platform, final_versions.account_id, final_versions.date, ages.age_days

),

at_last as (

    select
        platform,
        account_id,
        date,
        max(version) as version
    from final_versions
    group by platform, account_id, date

)

select
    at_age.date,
    at_age.platform,
    at_age.account_id,
    cast(at_age.age_days as bigint) as age_days,

    then_known.conversions as conversions_at_age,
    last_known.conversions as conversions_final
from at_age
inner join at_last
    on at_age.platform = at_last.platform
    and at_age.account_id = at_last.account_id
    and at_age.date = at_last.date
inner join final_versions as then_known
    on at_age.platform = then_known.platform
    and at_age.account_id = then_known.account_id
    and at_age.date = then_known.date
    and at_age.version = then_known.version
inner join final_versions as last_known
    on at_last.platform = last_known.platform
    and at_last.account_id = last_known.account_id
    and at_last.date = last_known.date
    and at_last.version = last_known.version
