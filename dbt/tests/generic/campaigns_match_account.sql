{#-
    Do the campaigns add up to what the platform says of the whole account? For every account and day of the account
    model; days that it doesn't have are not compared. The two are pulled at different moments: a difference counts when
    it is more than 1 % of the total and more than a little. Not a single campaign row is no matter of moments: then
    any total counts. Gives what differs; campaign_sum is null where there is no campaign row.
-#}
{% test campaigns_match_account(model, account_model, measures) %}

{%- set little = {'impressions': 10, 'clicks': 2, 'spend': 1, 'conversions': 1} %}

with

account as (

    select *
    from {{ account_model }}
    where {{ in_window('date') }}

),

campaigns as (

    select
        account_id,
        date,
        {%- for measure in measures %}
        sum({{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
    group by account_id, date

),

compared as (

    {% for measure in measures -%}
    select
        account.account_id,
        account.date,
        '{{ measure }}' as metric,
        {{ little[measure] }} as little,
        cast(campaigns.{{ measure }} as {{ numeric_type() }}) as campaign_sum,
        cast(account.{{ measure }} as {{ numeric_type() }}) as account_total
    from account
    left join campaigns
        on account.account_id = campaigns.account_id
        and account.date = campaigns.date
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    account_id,
    date,
    metric,
    campaign_sum,
    account_total
from compared
where
    (campaign_sum is null and account_total <> 0)
    or (
        abs(campaign_sum - account_total) > little
        and 100 * abs(campaign_sum - account_total) > abs(account_total)
    )

{% endtest %}
