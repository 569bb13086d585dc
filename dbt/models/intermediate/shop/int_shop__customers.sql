{{ config(
    meta={'touched': 'touched_customers', 'group_columns': ['shop_id', 'customer_id']},
    cluster_by=['shop_id', 'customer_id'],
) }}
{%- do touched_customers() -%}

with

orders as (

    select
        orders.shop_id,
        orders.customer_id,
        orders.order_id,
        orders.processed_at,
        orders.day,
        count(*) over (partition by orders.shop_id, orders.customer_id) as orders,
        max(orders.extracted_at) over (partition by orders.shop_id, orders.customer_id) as extracted_at
    from {{ ref('orders_clean') }} as orders
    {{- only_touched('orders', ['shop_id', 'customer_id']) }}
    where orders.customer_id is not null
        and not orders.is_test
    qualify row_number() over (
        partition by orders.shop_id, orders.customer_id
        order by orders.processed_at, orders.order_id
    ) = 1

)

select
    shop_id,
    customer_id,
    order_id as first_order_id,
    processed_at as first_order_at,
    day as first_day,
    {{ month_of('day') }} as cohort,
    orders,
    extracted_at
from orders
