{#-
    Checks that the restatements of a campaign's day lead to its current value. Each begins with the value that the one
    before it ended with. The newest ends with the value in the current rows, or with null if there is no row. Returns
    the restatements that don't.
-#}
{% test changes_add_up(model, current_model) %}

with

restatements as (

    select
        date,
        platform,
        account_id,
        campaign_id,
        metric,
        version,
        old_value,
        new_value,
        lag(version) over in_order as version_before,
        lag(new_value) over in_order as value_before,
        lead(version) over in_order as version_after
    from {{ model }}
    window in_order as (partition by date, platform, account_id, campaign_id, metric order by version)

),

current_rows as (

    select *
    from {{ current_model }}
    where {{ in_window('date') }}

),

compared as (

    select
        restatements.*,
        case restatements.metric
            {%- for metric in ['impressions', 'clicks', 'spend', 'conversions', 'conversion_value'] %}
            when '{{ metric }}' then cast(current_rows.{{ metric }} as {{ numeric_type() }})
            {%- endfor %}
        end as current_value
    from restatements
    left join current_rows
        on restatements.date = current_rows.date
        and restatements.platform = current_rows.platform
        and restatements.account_id = current_rows.account_id
        and restatements.campaign_id = current_rows.campaign_id

)

select
    date,
    platform,
    account_id,
    campaign_id,
    metric,
    version,
    value_before,
    old_value,
    new_value,
    current_value
from compared
where
    (version_before is not null and old_value is distinct from value_before)
    or (version_after is null and new_value is distinct from current_value)

{% endtest %}
