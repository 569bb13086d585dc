{{ config(materialized='view') }}

select
    sums.jour,
    sums.boutique,
    sums.produit_id,
    products.title as produit,
    products.vendor as fournisseur,
    sums.devise,
    sums.commandes,
    sums.unites_vendues,
    sums.unites_retournees,
    sums.ca_brut,
    sums.remises,
    sums.retours,
    sums.ca_net,
    sums.taxes,
    {{ ratio('sums.ca_brut - sums.remises', 'sums.unites_vendues') }} as prix_moyen,
    {{ ratio('sums.unites_retournees', 'sums.unites_vendues') }} as taux_retour,
    {{ ratio('sums.ca_net', 'sum(sums.ca_net) over of_day') }} as part_ca
from {{ ref('mart_shop__product_daily') }} as sums
left join {{ ref('stg_shop__products') }} as products
    on sums.shop_id = products.shop_id
    and sums.produit_id = products.product_id
window of_day as (partition by sums.shop_id, sums.jour, sums.devise)
