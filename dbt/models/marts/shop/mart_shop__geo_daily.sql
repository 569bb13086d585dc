{{ config(meta={'touched': 'touched_days', 'group_columns': ['shop_id', 'jour']}, cluster_by=['shop_id', 'jour']) }}
{%- do touched_days() -%}

with

sales as (

    select
        *,
        day as jour
    from {{ ref('int_shop__sales') }}

),

sums as (

    select
        sales.shop_id,
        sales.jour,
        sales.country as pays_code,
        sales.region as region_code,
        sales.currency as devise,
        {{ day_sums() | indent(8) }}
    from sales
    {{- only_touched('sales', ['shop_id', 'jour']) }}
    left join {{ ref('int_shop__customers') }} as customers
        on sales.shop_id = customers.shop_id
        and sales.customer_id = customers.customer_id
    group by sales.shop_id, sales.jour, sales.country, sales.region, sales.currency

)

select
    sums.shop_id,
    sums.jour,
    shops.domain as boutique,
    sums.pays_code,
    sums.region_code,
    sums.devise,
    sums.commandes,
    sums.clients,
    sums.nouveaux_clients,
    sums.commandes_invites,
    sums.unites,
    sums.ca_brut,
    sums.remises,
    sums.retours,
    sums.ca_net,
    sums.livraison,
    sums.taxes,
    sums.pourboires,
    sums.frais,
    sums.cartes_cadeaux,
    sums.non_classe,
    sums.ca_total,
    sums.ca_des_commandes,
    {{ ratio('sums.ca_des_commandes', 'sums.commandes') }} as panier_moyen,
    sums.extracted_at
from sums
inner join {{ ref('stg_shop__shops') }} as shops
    on sums.shop_id = shops.shop_id
