{{ config(
    meta={'touched': 'touched_orders', 'group_columns': ['shop_id', 'order_id']},
    cluster_by=['shop_id', 'day'],
) }}
{%- do touched_orders() -%}

with

sales as (

    select
        sales.shop_id,
        sales.sale_id,
        sales.order_id,
        sales.agreement_id,
        {{ day_in_zone('sales.happened_at', 'shops.time_zone') }} as day,
        sales.happened_at,
        sales.reason,
        sales.action_type,
        sales.line_type,
        sales.line_item_id,
        items.product_id,
        items.variant_id,
        orders.currency,
        orders.customer_id,
        orders.country,
        orders.region,
        coalesce(sales.quantity, 0) as quantity,
        sales.amount - sales.tax + sales.discount_before_tax as gross,
        sales.discount_before_tax as discount,
        sales.amount - sales.tax as net,
        sales.tax,
        sales.change_seq,
        orders.extracted_at
    from {{ ref('stg_shop__order_sales') }} as sales
    inner join {{ ref('orders_clean') }} as orders
        on sales.shop_id = orders.shop_id
        and sales.order_id = orders.order_id
    inner join {{ ref('stg_shop__shops') }} as shops
        on sales.shop_id = shops.shop_id
    left join {{ ref('order_items_clean') }} as items
        on sales.shop_id = items.shop_id
        and sales.order_id = items.order_id
        and sales.line_item_id = items.line_item_id
    {{- only_touched('sales', ['shop_id', 'order_id']) }}
    where not orders.is_test

)

select
    shop_id,
    sale_id,
    order_id,
    agreement_id,
    day,
    happened_at,
    reason,
    action_type,
    line_type,
    case
        when line_type = 'PRODUCT' and action_type in ('ORDER', 'UPDATE') then 'sold'
        when line_type = 'PRODUCT' and action_type = 'RETURN' then 'returned'
        when line_type = 'SHIPPING' then 'shipping'
        when line_type = 'TIP' then 'tip'
        when line_type = 'GIFT_CARD' then 'gift_card'
        when line_type in ('FEE', 'ADDITIONAL_FEE', 'DUTY', 'ADJUSTMENT') then 'fee'
        else 'unknown'
    end as kind,
    line_type = 'PRODUCT' and reason = 'ORDER' as is_placed_product,
    line_item_id,
    product_id,
    variant_id,
    currency,
    customer_id,
    country,
    region,
    quantity,
    gross,
    discount,
    net,
    tax,
    change_seq,
    extracted_at
from sales
