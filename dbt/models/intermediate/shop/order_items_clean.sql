{{ config(
    meta={'touched': 'touched_orders', 'group_columns': ['shop_id', 'order_id']},
    cluster_by=['shop_id', 'order_id'],
) }}
{%- do touched_orders() -%}

select
    items.shop_id,
    items.line_item_id,
    items.order_id,
    orders.day,
    orders.currency,
    items.product_id,
    items.variant_id,
    items.title,
    items.variant_title,
    items.sku,
    items.vendor,
    items.quantity,
    items.current_quantity,
    items.unit_price,
    items.discount,
    items.gift_card as is_gift_card,
    items.product_id is null as is_unknown_product,
    orders.is_test,
    items.change_seq,
    orders.extracted_at
from {{ ref('stg_shop__order_items') }} as items
inner join {{ ref('orders_clean') }} as orders
    on items.shop_id = orders.shop_id
    and items.order_id = orders.order_id
{{- only_touched('items', ['shop_id', 'order_id']) }}
