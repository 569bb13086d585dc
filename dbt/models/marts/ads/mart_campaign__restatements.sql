-- Rows that were lost on the way to the other marts are missing here, too.
-- depends_on: {{ ref('int_account__reconciliation') }}

{% set metrics = ['impressions', 'clicks', 'spend', 'conversions', 'conversion_value'] %}

with

versions as (

    {{ versions_of_all_platforms('campaign_daily', restated_only=true) }}

),

measured as (

    {% for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        date,
        account_id,
        cast(campaign_id as string) as campaign_id,
        version,
        currency,
        nullif(campaign_name, '') as campaign_name,
        {%- for metric in metrics %}
        {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ measured_versions(platform, 'campaign_daily', 'versions', ['campaign_id', 'campaign_name']) | indent(4) }}
    ) as measured_versions
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

campaigns as (

    select distinct
        platform,
        date,
        account_id,
        campaign_id
    from measured

),

accounts as (

    {{ accounts_by_day(var('ad_platforms')) }}

),

-- every version × every campaign of any version: a campaign that is not in a version is null there, in an emptied day
-- all of them
every_version as (

    select
        versions.platform,
        versions.date,
        versions.account_id,
        versions.version,
        versions.extract_run_id,
        versions.seen_at,
        campaigns.campaign_id,
        measured.currency,
        measured.campaign_name,
        {%- for metric in metrics %}
        measured.{{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from versions
    inner join campaigns
        on versions.platform = campaigns.platform
        and versions.account_id = campaigns.account_id
        and versions.date = campaigns.date
    left join measured
        on campaigns.platform = measured.platform
        and campaigns.account_id = measured.account_id
        and campaigns.date = measured.date
        and campaigns.campaign_id = measured.campaign_id
        and versions.version = measured.version

),

beside_the_one_before as (

    select
        every_version.*,
        {%- for column in ['currency', 'campaign_name'] + metrics %}
        lag({{ column }}) over in_order as {{ column }}_before{{ ',' if not loop.last }}
        {%- endfor %}
    from every_version
    window in_order as (partition by platform, account_id, date, campaign_id order by version)

),

metrics as (

    {% for metric in metrics -%}
    select '{{ metric }}' as metric
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

compared as (

    select
        changed.*,
        metrics.metric,
        case metrics.metric
            {%- for metric in metrics %}
            when '{{ metric }}' then cast(changed.{{ metric }}_before as {{ numeric_type() }})
            {%- endfor %}
        end as old_value,
        case metrics.metric
            {%- for metric in metrics %}
            when '{{ metric }}' then cast(changed.{{ metric }} as {{ numeric_type() }})
            {%- endfor %}
        end as new_value
    from beside_the_one_before as changed
    cross join metrics
    where changed.version > 1

)

select
    compared.date,
    compared.platform,
    compared.campaign_id,
    compared.metric,
    compared.version,

    coalesce(accounts.client_id, 'unassigned') as client_id,
    accounts.client_name,
    compared.account_id,
    coalesce(compared.campaign_name, compared.campaign_name_before) as campaign_name,
    coalesce(compared.currency, compared.currency_before, nullif(accounts.currency, '')) as currency,

    compared.old_value,
    compared.new_value,
    coalesce(compared.new_value, cast(0 as {{ numeric_type() }}))
    - coalesce(compared.old_value, cast(0 as {{ numeric_type() }})) as difference,

    compared.seen_at,
    {{ age_days('compared.date', 'compared.seen_at', 'accounts.time_zone') }} as age_days,
    compared.extract_run_id,
    accounts.facts_digest
from compared
left join accounts
    on compared.platform = accounts.source
    and compared.account_id = accounts.account_id
    and {{ valid_on('compared.date') | indent(4) }}
where compared.old_value is distinct from compared.new_value
