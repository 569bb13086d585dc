{#-
    Checks that each of a platform's staged campaign rows is here once, with the same measures. Returns the platforms
    and days that differ.
-#}
{% test rows_match_staging(model) %}

{%- set daily_sums -%}
        date,
        count(*) as row_count,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(spend) as spend,
        sum(conversions) as conversions,
        sum(conversion_value) as conversion_value,
        sum(link_clicks) as link_clicks,
        sum(conversions_by_conversion_date) as conversions_by_conversion_date,
        sum(conversion_value_by_conversion_date) as conversion_value_by_conversion_date
{%- endset %}

with staged as (

    {% for platform in var('ad_platforms') -%}
    select
        '{{ platform }}' as platform,
        {{ daily_sums }}
    from {{ ref('stg_' ~ platform ~ '__campaign_daily') }}
    where {{ in_window('date') }}
    group by date
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

found as (

    select
        platform,
        {{ daily_sums }}
    from {{ model }}
    group by platform, date

)

select
    coalesce(staged.platform, found.platform) as platform,
    coalesce(staged.date, found.date) as date,
    staged.row_count as rows_staged,
    found.row_count as rows_found
from staged
full outer join found
    on staged.platform = found.platform
    and staged.date = found.date
where
    {% for measure in [
        'row_count', 'impressions', 'clicks', 'spend', 'conversions', 'conversion_value', 'link_clicks',
        'conversions_by_conversion_date', 'conversion_value_by_conversion_date'
    ] -%}
    {{ 'or ' if not loop.first }}staged.{{ measure }} is distinct from found.{{ measure }}
    {% endfor %}

{% endtest %}
