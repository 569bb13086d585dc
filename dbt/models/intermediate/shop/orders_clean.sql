{{ config(
    meta={'touched': 'touched_orders', 'group_columns': ['shop_id', 'order_id']},
    cluster_by=['shop_id', 'order_id'],
) }}
{%- do touched_orders() -%}

select
    orders.shop_id,
    orders.order_id,
    orders.name,
    {{ day_in_zone('orders.processed_at', 'shops.time_zone') }} as day,
    orders.processed_at,
    orders.created_at,
    orders.cancelled_at,
    orders.cancel_reason,
    orders.source_name,
    orders.financial_status,
    orders.currency,
    orders.presentment_currency,
    orders.taxes_included,
    orders.customer_id,
    case
        when orders.ship_country is not null then orders.ship_country
        when orders.bill_country is not null then orders.bill_country
        else 'ZZ'
    end as country,
    case
        when orders.ship_country is not null then orders.ship_province
        when orders.bill_country is not null then orders.bill_province
    end as region,
    orders.ship_country,
    orders.ship_province,
    orders.ship_city,
    orders.bill_country,
    orders.bill_province,
    orders.total_price,
    orders.current_total_price,
    orders.original_total_price,
    orders.discount_codes,
    orders.is_test,
    orders.customer_id is null as is_guest,
    coalesce(orders.ship_country, orders.bill_country) is null as is_without_country,
    orders.change_seq,
    case
        when shops.extracted_at > orders.extracted_at then shops.extracted_at else orders.extracted_at
    end as extracted_at
from {{ ref('stg_shop__orders') }} as orders
inner join {{ ref('stg_shop__shops') }} as shops
    on orders.shop_id = shops.shop_id
{{- only_touched('orders', ['shop_id', 'order_id']) }}
where orders.deleted_at is null
