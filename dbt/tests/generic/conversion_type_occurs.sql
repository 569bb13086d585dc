{#-
    Returns the accounts that spent money and had actions, but none of the type that counts as a conversion, with the
    types that do occur, the most frequent first. An account needs three days with spend. `actions` of the model is the
    JSON list of the day.
-#}
{% test conversion_type_occurs(model) %}

with days as (

    select
        account_id,
        spend,
        conversions,
        conversion_action_type,
        {{ parse_actions('actions') | indent(8) }} as actions
    from {{ model }}

),

accounts as (

    select
        account_id,
        count(*) as days_with_spend,
        sum(spend) as spend,
        max(conversion_action_type) as counted_type
    from days
    where spend > 0
    group by account_id
    having sum(conversions) = 0
        and count(*) >= 3

),

types as (

    select
        days.account_id,
        entry.action_type,
        sum({{ text_to_numeric('entry.value') }}) as actions
    from days
    cross join {{ unnested('days.actions', 'entry') }}
    group by days.account_id, entry.action_type

),

lists as (

    select
        account_id,
        string_agg(action_type || ' ' || cast(cast(actions as bigint) as string), ', ' order by actions desc, action_type)
            as types_that_occur
    from types
    where actions > 0
    group by account_id

)

select
    accounts.account_id,
    accounts.days_with_spend,
    accounts.spend,
    coalesce(accounts.counted_type, '{{ var('conversion_action_types') | join(', ') }}') as counted_type,
    lists.types_that_occur,
    'conversion_action_type of the account in the clients file' as setting
from accounts
inner join lists
    on accounts.account_id = lists.account_id

{% endtest %}
