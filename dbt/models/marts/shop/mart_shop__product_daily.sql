{{ config(meta={'touched': 'touched_days', 'group_columns': ['shop_id', 'jour']}, cluster_by=['shop_id', 'jour']) }}
{%- do touched_days() -%}

with

sums as (

    select
        sales.shop_id,
        sales.day as jour,
        sales.product_id as produit_id,
        sales.currency as devise,
        count(distinct case when sales.is_placed_product then sales.order_id end) as commandes,
        cast(sum(case when sales.kind = 'sold' then sales.quantity else 0 end) as bigint) as unites_vendues,
        cast(sum(case when sales.kind = 'returned' then -sales.quantity else 0 end) as bigint) as unites_retournees,
        {{ product_sums() | indent(8) }},
        sum(sales.tax) as taxes,
        max(sales.extracted_at) as extracted_at
    {{ from_sales_of_touched_days() | indent(4) }}
    where sales.kind in ('sold', 'returned')
    group by sales.shop_id, sales.day, sales.product_id, sales.currency

)

select
    sums.shop_id,
    sums.jour,
    shops.domain as boutique,
    sums.produit_id,
    sums.devise,
    sums.commandes,
    sums.unites_vendues,
    sums.unites_retournees,
    sums.ca_brut,
    sums.remises,
    sums.retours,
    sums.ca_net,
    sums.taxes,
    sums.extracted_at
from sums
inner join {{ ref('stg_shop__shops') }} as shops
    on sums.shop_id = shops.shop_id
