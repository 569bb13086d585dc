{#- The largest difference between two extracts of a day at different moments, if it is at most 1 % of the total. -#}
{%- set little = {'spend': 1, 'impressions': 10, 'clicks': 2, 'conversions': 1} -%}

with

accounts as (

    {{ accounts_by_day(var('ad_platforms')) }}

),

campaign_days as (

    {{ days_of_all_platforms('campaign_daily') }}

),

account_days as (

    {{ days_of_all_platforms('account_daily') }}

),

rejected as (

    {{ rejected_rows('campaign_daily') }}

),

in_raw as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        count(*) as row_count
    from (
        {{ rows_under(platform, 'campaign_daily', 'campaign_days') | indent(4) }}
    ) as raw_rows
    group by account_id, date
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

staged as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        count(*) as row_count,
        min(extract_run_id) as first_run,
        max(extract_run_id) as last_run,
        {%- for metric in little %}
        sum({{ metric }}) as {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_' ~ platform ~ '__campaign_daily') }}
    where {{ in_window('date') }}
    group by account_id, date
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

unified as (

    select
        platform,
        account_id,
        date,
        count(*) as row_count,
        {%- for metric in little %}
        sum({{ metric }}) as {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_campaign__daily_unified') }}
    where {{ in_window('date') }}
    group by platform, account_id, date

),

totals as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        {%- for metric in little %}
        {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_' ~ platform ~ '__account_daily') }}
    where {{ in_window('date') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- also rows without a ledger row, which should not exist
days as (

    {% for relation in ['campaign_days', 'account_days', 'staged', 'unified'] -%}
    select
        platform,
        account_id,
        date
    from {{ relation }}
    {{ 'union distinct' if not loop.last }}
    {% endfor %}

),

joined as (

    select
        days.platform,
        days.account_id,
        days.date,

        coalesce(campaign_days.row_count, 0) as rows_in_ledger,
        coalesce(in_raw.row_count, 0) as rows_in_raw,
        coalesce(staged.row_count, 0) as rows_staged,
        coalesce(unified.row_count, 0) as rows_unified,
        {% for metric in little %}
        -- a day that was extracted and has no row had no activity
        case
            when account_days.account_id is not null
                then coalesce(cast(totals.{{ metric }} as {{ numeric_type() }}), cast(0 as {{ numeric_type() }}))
        end as total_{{ metric }},
        coalesce(cast(staged.{{ metric }} as {{ numeric_type() }}), cast(0 as {{ numeric_type() }}))
            as staged_{{ metric }},
        coalesce(cast(unified.{{ metric }} as {{ numeric_type() }}), cast(0 as {{ numeric_type() }}))
            as unified_{{ metric }},
        {% endfor %}

        coalesce(rejected.row_count, 0) as rows_rejected,
        -- staged from an older extract than the current one, or not at all: not built since, and not lost. That
        -- a build of staging loses no row is tested there.
        (
            coalesce(staged.row_count, 0) = 0
            or staged.first_run is distinct from campaign_days.extract_run_id
            or staged.last_run is distinct from campaign_days.extract_run_id
        ) as staging_is_behind,
        campaign_days.account_id is null as campaigns_never_pulled,
        account_days.seen_at > campaign_days.pulled_at as total_is_newer,
        account_days.versions > 1 as total_has_changed,
        campaign_days.seen_at > account_days.pulled_at as campaigns_are_newer,
        {%- set lookback = lookback_of('days.platform', 'accounts.lookback_days') | indent(8) %}
        not {{ is_settled('days.date', 'days.platform', lookback, 'accounts.time_zone', 'campaign_days.pulled_at') }}
            as changed_after_campaigns,
        not {{ is_settled('days.date', 'days.platform', lookback, 'accounts.time_zone', 'account_days.pulled_at') }}
            as changed_after_total,
        -- the probe extracts the totals every hour: a day that is over hardly changes within one hour. A day that is
        -- filling up does, but not between two extracts of one run. Timing can't explain a day without any campaign
        -- row.
        coalesce(unified.row_count, 0) > 0 and (
            {{ minutes_between('account_days.pulled_at', 'campaign_days.pulled_at') }} > 60
            or (
                {{ minutes_between('account_days.pulled_at', 'campaign_days.pulled_at') }} > 10
                and {{ age_days('days.date', 'account_days.pulled_at', 'accounts.time_zone') }} <= 1
            )
        ) as pulled_apart,
        (
            days.platform in ('{{ var('conversion_type_by_row') | join("', '") }}')
            and nullif(accounts.conversion_action_type, '') is null
        ) as conversion_type_is_by_row
    from days
    left join campaign_days
        on days.platform = campaign_days.platform
        and days.account_id = campaign_days.account_id
        and days.date = campaign_days.date
    left join account_days
        on days.platform = account_days.platform
        and days.account_id = account_days.account_id
        and days.date = account_days.date
    left join rejected
        on days.platform = rejected.platform
        and days.account_id = rejected.account_id
        and days.date = rejected.date
        and campaign_days.extract_run_id = rejected.extract_run_id
    left join in_raw
        on days.platform = in_raw.platform
        and days.account_id = in_raw.account_id
        and days.date = in_raw.date
    left join staged
        on days.platform = staged.platform
        and days.account_id = staged.account_id
        and days.date = staged.date
    left join unified
        on days.platform = unified.platform
        and days.account_id = unified.account_id
        and days.date = unified.date
    left join totals
        on days.platform = totals.platform
        and days.account_id = totals.account_id
        and days.date = totals.date
    left join accounts
        on days.platform = accounts.source
        and days.account_id = accounts.account_id
        and {{ valid_on('days.date') | indent(8) }}

),

metrics as (

    {% for metric, amount in little.items() -%}
    select
        '{{ metric }}' as metric,
        {{ amount }} as little
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

by_metric as (

    select
        joined.*,
        metrics.metric,
        metrics.little,
        {%- for value in ['total', 'staged', 'unified'] %}
        case metrics.metric
            {%- for metric in little %}
            when '{{ metric }}' then joined.{{ value }}_{{ metric }}
            {%- endfor %}
        end as {{ value }}_value{{ ',' if not loop.last }}
        {%- endfor %}
    from joined
    cross join metrics

),

compared as (

    select
        by_metric.*,
        unified_value - total_value as difference,
        -- timing can't explain a day without any campaign row: then any total counts
        (rows_unified = 0 and total_value <> 0)
        or (
            abs(unified_value - total_value) > little
            and 100 * abs(unified_value - total_value) > abs(total_value)
        ) as differs,
        case
            when rows_in_raw <> rows_in_ledger
                then 'raw has ' || cast(rows_in_raw as string) || ' of ' || cast(rows_in_ledger as string)
                    || ' rows that the ledger says were loaded'
            when rows_staged <> rows_in_raw and not staging_is_behind
                then 'staging has ' || cast(rows_staged as string) || ' of ' || cast(rows_in_raw as string)
                    || ' rows of raw'
            when rows_unified <> rows_staged
                then 'the unified model has ' || cast(rows_unified as string) || ' of ' || cast(rows_staged as string)
                    || ' staged rows'
            when (staged_value is distinct from unified_value)
                then 'the unified model has other values than staging, in as many rows'
        end as lost_where,
        case
            when rows_staged + rows_in_raw > 0 and staging_is_behind
                then 'staging was not built since the campaigns were pulled: materialize the models of the day'
            when rows_rejected > 0
                then cast(rows_rejected as string) || ' campaign rows were rejected, see raw__rejects'
            when campaigns_never_pulled
                then 'the campaigns of this day were never pulled: their load is due'
            when total_is_newer and total_has_changed
                then 'account total is newer than the campaigns: their reload is due'
            when total_is_newer and changed_after_campaigns and pulled_apart
                then 'account total was pulled later than the campaigns, and the day still changed'
            when campaigns_are_newer and changed_after_total and pulled_apart
                then 'campaigns were pulled later than the total, and the day still changed'
            when metric = 'conversions' and conversion_type_is_by_row
                then 'what counts as a conversion is chosen row by row: set conversion_action_type for the account'
        end as known_reason
    from by_metric

),

judged as (

    select
        compared.*,
        case
            when lost_where is not null then 'lost'
            when total_value is null then 'no_total'
            when not differs then 'matches'
            when known_reason is not null then 'explained'
            else 'unexplained'
        end as verdict
    from compared

)

select
    date,
    platform,
    account_id,
    metric,

    total_value as account_total,
    staged_value as staged_sum,
    unified_value as campaign_sum,
    difference,

    rows_in_ledger,
    rows_in_raw,
    rows_staged,
    rows_unified,

    verdict,
    case verdict
        when 'lost' then lost_where
        when 'no_total' then 'the totals of this account and day were never pulled: nothing to compare with'
        when 'explained' then known_reason
        when 'unexplained' then 'none known'
    end as explanation
from judged
