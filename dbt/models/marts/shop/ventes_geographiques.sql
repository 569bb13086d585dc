{{ config(materialized='view') }}

select
    jour,
    boutique,
    pays_code,
    {{ country_name('pays_code') }} as pays,
    region_code,
    devise,
    commandes,
    clients,
    nouveaux_clients,
    unites,
    ca_brut,
    remises,
    retours,
    ca_net,
    livraison,
    taxes,
    ca_total,
    panier_moyen
from {{ ref('mart_shop__geo_daily') }}
