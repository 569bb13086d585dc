{#-
    By how much a day may move between two extracts: at least `little`, and a share of its figure, `rate` in an hour at
    the age of one day and less the older the day is. Delivery is corrected a little; conversions arrive late, or with
    the platform's batches. The value of conversions may move by `average_conversions`, each of the day's average value.
    macros/ads/reconciliation.sql has the rules.

    `is_optional`: only the platforms in the variable also_reconciled have the metric, and its amount in a row can be
    null, which means unknown.
-#}
{%- set metrics = {
    'spend': {'little': 1, 'rate': 0.01},
    'impressions': {'little': 10, 'rate': 0.01},
    'clicks': {'little': 2, 'rate': 0.01},
    'conversions': {'little': 1, 'rate': 0.08},
    'conversion_value': {'average_conversions': 2, 'rate': 0.08},
    'link_clicks': {'little': 2, 'rate': 0.01, 'is_optional': true},
    'conversions_by_conversion_date': {'little': 1, 'rate': 0.08, 'is_optional': true},
    'conversion_value_by_conversion_date': {'average_conversions': 2, 'rate': 0.08, 'is_optional': true},
} -%}
{%- set counts_of = {
    'conversion_value': 'conversions',
    'conversion_value_by_conversion_date': 'conversions_by_conversion_date',
} -%}

with

accounts as (

    {{ accounts_by_day(var('ad_platforms')) }}

),

accepted as (

    {{ accepted_differences(var('ad_platforms')) }}

),

campaign_days as (

    {{ days_of_all_platforms('campaign_daily') }}

),

account_days as (

    {{ days_of_all_platforms('account_daily') }}

),

-- the campaigns of these days are older than the content of the total
before_the_total as (

    select
        campaign_days.platform,
        campaign_days.account_id,
        campaign_days.date,
        campaign_days.pulled_at
    from campaign_days
    inner join account_days
        on campaign_days.platform = account_days.platform
        and campaign_days.account_id = account_days.account_id
        and campaign_days.date = account_days.date
    where account_days.seen_at > campaign_days.pulled_at

),

-- the total that was known when the campaigns of these days were extracted
totals_before as (

    {{ extracts_before('account_daily', 'before_the_total') }}

),

totals_known as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        {%- for metric in metrics %}
        {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ measured_versions(platform, 'account_daily', 'totals_before') | indent(4) }}
    ) as known
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- the rejected rows with what can be read in them
rejected_rows as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        extract_run_id,
        {%- for metric in metrics %}
        cast({{ metric }} as {{ numeric_type() }}) as {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ measured_rejects(platform, 'campaign_daily') | indent(4) }}
    ) as rejects
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

rejected as (

    select
        platform,
        account_id,
        date,
        extract_run_id,
        count(*) as row_count,
        {%- for metric in metrics %}
        sum({{ metric }}) as {{ metric }},
        count({{ metric }}) as {{ metric }}_readable{{ ',' if not loop.last }}
        {%- endfor %}
    from rejected_rows
    group by platform, account_id, date, extract_run_id

),

-- what the total counts as a conversion; null where the platform has one kind only, or the total has none
total_types as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        {{ 'conversion_action_type' if platform in var('conversion_type_by_row') else 'cast(null as string)' }}
            as conversion_type
    from {{ ref('stg_' ~ platform ~ '__account_daily') }}
    where {{ in_window('date') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

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
    ) as current_rows
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
        {% set type = 'conversion_action_type' if platform in var('conversion_type_by_row') else 'cast(null as string)' -%}
        min({{ type }}) as first_type,
        max({{ type }}) as last_type,
        {%- for metric in metrics %}
        sum({{ metric }}) as {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_' ~ platform ~ '__campaign_daily') }}
    where {{ in_window('date') }}
    group by account_id, date
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- the days on which a campaign counts another type than the total, with the type of the total
types_differ as (

    select
        campaign_days.platform,
        campaign_days.account_id,
        campaign_days.date,
        campaign_days.extract_run_id,
        total_types.conversion_type
    from campaign_days
    inner join total_types
        on campaign_days.platform = total_types.platform
        and campaign_days.account_id = total_types.account_id
        and campaign_days.date = total_types.date
    inner join staged
        on campaign_days.platform = staged.platform
        and campaign_days.account_id = staged.account_id
        and campaign_days.date = staged.date
    where staged.first_type <> total_types.conversion_type
        or staged.last_type <> total_types.conversion_type

),

-- only their lists of actions are read
rows_of_other_types as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        {%- for name, column in [('conversions', 'actions'), ('conversion_value', 'action_values')] %}
        {% if platform in var('conversion_type_by_row') -%}
        case
            when {{ has_action_type(column, 'conversion_type') }}
                then {{ action_total(column, 'conversion_type') | indent(12) }}
            else 0
        end
        {%- else -%}
        cast(null as {{ numeric_type() }})
        {%- endif %} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            account_id,
            date,
            {%- if platform in var('conversion_type_by_row') %}
            {{ parse_actions('actions') | indent(12) }} as actions,
            {{ parse_actions('action_values') | indent(12) }} as action_values,
            {%- endif %}
            conversion_type
        from (
            {{ rows_under(platform, 'campaign_daily', 'types_differ', ['conversion_type']) | indent(8) }}
        ) as rows_of_these_days
    ) as parsed
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

of_total_type as (

    select
        platform,
        account_id,
        date,
        sum(conversions) as conversions,
        sum(conversion_value) as conversion_value
    from rows_of_other_types
    group by platform, account_id, date

),

unified as (

    select
        platform,
        account_id,
        date,
        count(*) as row_count,
        {%- for metric in metrics %}
        sum({{ metric }}) as {{ metric }},
        count({{ metric }}) as {{ metric }}_readable{{ ',' if not loop.last }}
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
        {%- for metric in metrics %}
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
        {% for metric, how in metrics.items() %}
        -- A day that was extracted and has no row had no activity. An optional amount of a row can be unknown (null).
        case
            when account_days.account_id is not null
                then {{ amount_in('totals', metric, how.is_optional) | indent(16) }}
        end as total_{{ metric }},
        {{ amount_in('staged', metric, how.is_optional) | indent(8) }} as staged_{{ metric }},
        {{ amount_in('unified', metric, how.is_optional) | indent(8) }} as unified_{{ metric }},
        case
            when totals_before.account_id is not null
                then {{ amount_in('totals_known', metric, how.is_optional) | indent(16) }}
        end as known_{{ metric }},
        coalesce(rejected.{{ metric }}, cast(0 as {{ numeric_type() }})) as rejected_{{ metric }},
        coalesce(rejected.row_count - rejected.{{ metric }}_readable, 0) as unreadable_{{ metric }},
        coalesce(unified.row_count - unified.{{ metric }}_readable, 0) as unknown_{{ metric }},
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

        campaign_days.pulled_at as campaigns_extracted_at,
        campaign_days.extract_run_id as campaigns_extract_run_id,
        account_days.pulled_at as total_extracted_at,
        account_days.extract_run_id as total_extract_run_id,
        coalesce(account_days.seen_at > campaign_days.pulled_at, false) as total_is_newer,
        totals_before.account_id is not null as has_known_total,

        -- The contents were there from the extract that saw them first to the newest one. If these times overlap, the
        -- contents were there at the same moment.
        case
            when account_days.seen_at > campaign_days.pulled_at
                then {{ minutes_between('account_days.seen_at', 'campaign_days.pulled_at') }}
            when campaign_days.seen_at > account_days.pulled_at
                then {{ minutes_between('account_days.pulled_at', 'campaign_days.seen_at') }}
            when account_days.pulled_at is not null and campaign_days.pulled_at is not null then 0
        end as minutes_apart,
        case
            when campaign_days.seen_at > totals_before.seen_at
                then {{ minutes_between('totals_before.seen_at', 'campaign_days.seen_at') }}
            else 0
        end as known_minutes_apart,
        case
            when account_days.seen_at > campaign_days.pulled_at then campaign_days.pulled_at
            else account_days.pulled_at
        end as earlier_at,
        totals_before.seen_at as known_at,
        accounts.time_zone,
        {{ lookback_of('days.platform', 'accounts.lookback_days') | indent(8) }} as lookback_days,

        -- half of the smallest unit of money
        case
            when accounts.currency in ('{{ var('currencies_without_cents') | join("', '") }}')
                then cast('0.5' as {{ numeric_type() }})
            else cast('0.005' as {{ numeric_type() }})
        end as half_a_cent,

        of_total_type.conversions as conversions_of_total_type,
        of_total_type.conversion_value as conversion_value_of_total_type
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
    left join totals_before
        on days.platform = totals_before.platform
        and days.account_id = totals_before.account_id
        and days.date = totals_before.date
    left join totals_known
        on days.platform = totals_known.platform
        and days.account_id = totals_known.account_id
        and days.date = totals_known.date
    left join of_total_type
        on days.platform = of_total_type.platform
        and days.account_id = of_total_type.account_id
        and days.date = of_total_type.date
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

    {% for platform, metric in metrics_of_platforms(metrics) -%}
    select
        '{{ platform }}' as platform,
        '{{ metric }}' as metric,
        {{ metrics[metric].rate }} as rate
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

by_metric as (

    select
        joined.*,
        metrics.metric,
        metrics.rate,
        {%- for value in ['total', 'staged', 'unified', 'known', 'rejected', 'unreadable', 'unknown'] %}
        case metrics.metric
            {%- for metric in metrics %}
            when '{{ metric }}' then joined.{{ value }}_{{ metric }}
            {%- endfor %}
        end as {{ value }}_value,
        {%- endfor %}
        case metrics.metric
            {%- for metric, how in metrics.items() %}
            when '{{ metric }}' then {% if metric in counts_of -%}
                {{ how.average_conversions }} * {{ average_value(metric, counts_of[metric]) | indent(16) }}
                {%- else -%} {{ how.little }} {%- endif %}
            {%- endfor %}
        end as little,
        -- Each row and the total are rounded. Counts are not; spend only where the platform sends rounded money.
        case
            when metrics.metric in ('conversions', 'conversions_by_conversion_date')
                then (joined.rows_unified + 1) * cast('0.005' as {{ numeric_type() }})
            when metrics.metric in ('spend', 'conversion_value', 'conversion_value_by_conversion_date')
                then case
                    when joined.platform in ('{{ var('platforms_with_rounded_money') | join("', '") }}')
                        then (joined.rows_unified + 1) * joined.half_a_cent
                    when metrics.metric = 'spend' then joined.half_a_cent
                    else (joined.rows_unified + 1) * cast('0.005' as {{ numeric_type() }})
                end
            else cast(0 as {{ numeric_type() }})
        end as rounding
    from joined
    inner join metrics
        on joined.platform = metrics.platform

),

aged as (

    select
        by_metric.*,
        {%- for moment, prefix in [('earlier_at', ''), ('known_at', 'known_')] %}
        {{ is_settled('date', 'platform', 'lookback_days', 'time_zone', moment) | indent(8) }} as {{ prefix }}is_settled,
        {{ is_filling('date', 'time_zone', moment) | indent(8) }} as {{ prefix }}is_filling,
        {{ age_days('date', moment, 'time_zone') | indent(8) }} as {{ prefix }}age_days,
        {{ hour_in_zone(moment, 'time_zone') | indent(8) }} as {{ prefix }}hour{{ ',' if not loop.last }}
        {%- endfor %}
    from by_metric
    -- extracts of a version that did not request the metric: there is nothing to compare
    where coalesce(unified_value, staged_value) is not null
        and (total_value is not null or total_extracted_at is null)

),

shared as (

    select
        aged.*,
        {%- for value, prefix in [('total_value', ''), ('known_value', 'known_')] %}
        {{ moment_share(prefix) | indent(8) }} as {{ prefix }}share,
        case
            when abs({{ value }}) > abs(unified_value) then {{ to_double('abs(' ~ value ~ ')') }}
            else {{ to_double('abs(unified_value)') }}
        end as {{ prefix }}larger{{ ',' if not loop.last }}
        {%- endfor %}
    from aged

),

measured as (

    select
        shared.*,
        unified_value - total_value as difference,
        cast({{ moment_allowance('') | indent(8) }} as {{ double_type() }}) as allowance,
        cast({{ moment_allowance('known_') | indent(8) }} as {{ double_type() }}) as known_allowance
    from shared

),

compared as (

    select
        measured.*,
        abs(difference) <= rounding as ties,
        -- what is left of the difference if this reason applies; null if it can't be known
        case
            when has_known_total then unified_value - known_value
        end as since_known_total,
        difference + rejected_value as with_rejects,
        case metric
            when 'conversions' then conversions_of_total_type - total_value
            when 'conversion_value' then conversion_value_of_total_type - total_value
        end as counted_alike,
        -- rows and totals agree about delivery, and the rows have more conversions, or also more of their value
        (
            metric in ('conversions', 'conversion_value')
            and coalesce(conversions_of_total_type, unified_conversions) - total_conversions
            > (rows_unified + 1) * cast('0.005' as {{ numeric_type() }})
            and platform in ('{{ var('totals_may_lack_conversions') | join("', '") }}')
            and abs(unified_spend - total_spend) <= half_a_cent * (rows_unified + 1)
            and unified_impressions = total_impressions
            and {{ to_double('difference') }} > {{ to_double('rounding') }} + allowance
        ) as total_lacks_conversions,
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
        end as lost_where
    from measured

),

reasoned as (

    select
        compared.*,
        case
            when rows_staged + rows_in_raw > 0 and staging_is_behind then 'not built'
            when campaigns_never_pulled then 'never extracted'
            when rows_rejected > 0 and (
                {{ is_within('with_rejects', 'allowance') | indent(16) }}
                -- what can't be read is missing, so the rest must not be too much
                or (
                    unreadable_value > 0
                    and {{ to_double('with_rejects') }} <= {{ to_double('rounding') }} + allowance
                )
            ) then 'rejected'
            when not {{ is_same_moment('') }}
                and {{ is_within('since_known_total', 'known_allowance') | indent(16) }}
                then 'total changed'
            when not {{ is_same_moment('') }}
                and (not has_known_total or not {{ is_same_moment('known_') }})
                and {{ is_within('difference', 'allowance') | indent(16) }}
                then 'apart'
            when {{ is_within('counted_alike', 'allowance') | indent(12) }} then 'types differ'
            -- what can't be read is missing, so the rest must not be too much
            when unknown_value > 0 and {{ to_double('difference') }} <= {{ to_double('rounding') }} + allowance
                then 'unknown'
        end as reason
    from compared

),

judged as (

    select
        reasoned.*,
        case
            when lost_where is not null then 'lost'
            when total_value is null then 'no_total'
            when ties then 'matches'
            when reason is not null then 'explained'
            when total_lacks_conversions then 'total_lacks_conversions'
            else 'unexplained'
        end as verdict
    from reasoned

),

-- the probe compares differences with the same condition (mdp_dagster/ingest/unexplained_days.py)
with_acceptance as (

    select
        judged.*,
        accepted.reason as accepted_reason,
        accepted.accepted_by
    from judged
    left join accepted
        on judged.platform = accepted.source
        and judged.account_id = accepted.account_id
        and judged.metric = accepted.metric
        and judged.date >= accepted.first_day
        and judged.date <= accepted.last_day
        and abs(judged.difference) <= accepted.up_to * 1.000000001
        and judged.verdict in ('unexplained', 'total_lacks_conversions')

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
        when 'explained'
            then case reason
                when 'not built'
                    then 'staging was not built since the campaigns were pulled: materialize the models of the day'
                when 'never extracted' then 'the campaigns of this day were never pulled: their load is due'
                when 'rejected' then cast(rows_rejected as string) || ' campaign rows were rejected, see raw__rejects'
                when 'total changed' then 'account total is newer than the campaigns: their reload is due'
                when 'types differ'
                    then 'what counts as a conversion is chosen row by row: set conversion_action_type for the account'
                when 'unknown'
                    then cast(unknown_value as string) || ' campaign rows have a value that can not be read: see is_invalid_'
                        || case metric when 'link_clicks' then 'inline_link_clicks' else metric end || ' in staging'
                when 'apart'
                    then case
                        when total_is_newer
                            then 'account total was pulled later than the campaigns, and the day still changed'
                        else 'campaigns were pulled later than the total, and the day still changed'
                    end
            end
        when 'total_lacks_conversions'
            then 'the account total lacks conversions that its campaigns have, and spend is the same: the platform leaves '
                || 'them out of rows that mix campaigns for iOS 14.5 with others. The sum of the campaigns is right'
        when 'unexplained' then 'none known'
    end as explanation,

    campaigns_extracted_at,
    campaigns_extract_run_id,
    total_extracted_at,
    total_extract_run_id,
    minutes_apart,
    allowance,
    case
        when verdict = 'explained' and reason = 'rejected' and unreadable_value = 0 then with_rejects
        when verdict = 'explained' and reason = 'total changed' then since_known_total
        when verdict = 'explained' and reason = 'types differ' then counted_alike
        when verdict = 'explained' and reason in ('not built', 'never extracted', 'rejected', 'unknown') then null
        else difference
    end as residual,

    accepted_reason,
    nullif(accepted_by, '') as accepted_by
from with_acceptance
