{{ config(meta={'touched': 'touched_days', 'group_columns': ['shop_id', 'jour']}, cluster_by=['shop_id', 'jour']) }}
{%- do touched_days() -%}

with

{{ sums_by_day() }}

select
    sums.shop_id,
    sums.day as jour,
    shops.domain as boutique,
    sums.currency as devise,
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
