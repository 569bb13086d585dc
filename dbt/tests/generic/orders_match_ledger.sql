{#-
    Returns the orders that are missing here, are not the newest version, or are not in a committed extract, among those
    that recent extracts have.
-#}
{% test orders_match_ledger(model) %}

with

newest as (

    select
        shop_id,
        order_id,
        max(change_seq) as change_seq
    from (
        {{ new_document_versions('shop', 'orders', checked_since()) | indent(8) }}
    ) as versions
    group by shop_id, order_id

),

found as (

    select
        shop_id,
        order_id,
        change_seq
    from {{ model }}

)

select
    coalesce(newest.shop_id, found.shop_id) as shop_id,
    coalesce(newest.order_id, found.order_id) as order_id,
    newest.change_seq as newest_version,
    found.change_seq as version_found
from newest
full outer join found
    on newest.shop_id = found.shop_id
    and newest.order_id = found.order_id
where newest.change_seq is distinct from found.change_seq

{% endtest %}
