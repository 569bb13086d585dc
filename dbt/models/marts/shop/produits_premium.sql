{{ config(materialized='view') }}

with

sums as (

    select
        sales.shop_id,
        sales.boutique,
        sales.produit_id,
        sales.devise,
        cast(sum(sales.unites_vendues) as bigint) as units_sold,
        cast(sum(sales.unites_retournees) as bigint) as units_returned,
        sum(sales.ca_net) as net,
        sum(sales.ca_brut - sales.remises) as sold_net
    from {{ ref('mart_shop__product_daily') }} as sales
    inner join {{ ref('stg_shop__shops') }} as shops
        on sales.shop_id = shops.shop_id
    where sales.produit_id is not null
        and sales.jour >= {{ days_before(today_in_zone('shops.time_zone'), var('premium_days')) }}
        and sales.jour < {{ today_in_zone('shops.time_zone') }}
    group by sales.shop_id, sales.boutique, sales.produit_id, sales.devise

),

shares as (

    select
        *,
        {{ ratio('net', 'sum(net) over (partition by shop_id, devise)') }} as share
    from sums

),

prices as (

    select
        *,
        {{ ratio('sold_net', 'units_sold') }} as price
    from shares
    where units_sold >= {{ var('premium_min_units') }}

),

ranked as (

    select
        *,
        row_number() over (partition by shop_id, devise order by price, produit_id) as price_rank,
        count(*) over (partition by shop_id, devise) as products
    from prices

),

-- the lowest price that is at least as high as the share premium_percentile of the prices
thresholds as (

    select
        shop_id,
        devise,
        min(price) as threshold
    from ranked
    where price_rank >= cast('{{ var('premium_percentile') }}' as {{ numeric_type() }}) * products
    group by shop_id, devise

)

select
    prices.boutique,
    prices.produit_id,
    products.title as produit,
    prices.devise,
    prices.price as prix_moyen,
    thresholds.threshold as seuil_prix,
    prices.units_sold as unites_90j,
    prices.net as ca_net_90j,
    prices.share as part_ca_90j,
    {{ ratio('prices.units_returned', 'prices.units_sold') }} as taux_retour_90j,
    row_number() over (
        partition by prices.shop_id, prices.devise
        order by prices.net desc, prices.produit_id asc
    ) as rang
from prices
inner join thresholds
    on prices.shop_id = thresholds.shop_id
    and prices.devise = thresholds.devise
left join {{ ref('stg_shop__products') }} as products
    on prices.shop_id = products.shop_id
    and prices.produit_id = products.product_id
where prices.price >= thresholds.threshold
