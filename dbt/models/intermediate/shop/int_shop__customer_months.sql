{{ config(
    meta={'touched': 'touched_customers', 'group_columns': ['shop_id', 'customer_id']},
    cluster_by=['shop_id', 'customer_id'],
) }}
{%- do touched_customers() -%}

select
    sales.shop_id,
    sales.customer_id,
    {{ month_of('sales.day') }} as month,
    sales.currency,
    count(distinct case when sales.is_placed_product then sales.order_id end) as orders,
    sum(sales.net) as net,
    max(sales.extracted_at) as extracted_at
from {{ ref('int_shop__sales') }} as sales
{{- only_touched('sales', ['shop_id', 'customer_id']) }}
where sales.customer_id is not null
    and sales.kind in ('sold', 'returned')
group by sales.shop_id, sales.customer_id, {{ month_of('sales.day') }}, sales.currency
