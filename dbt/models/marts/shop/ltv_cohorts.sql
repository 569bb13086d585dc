{{ config(materialized='view') }}

with

months as (

    select
        months.*,
        shops.domain,
        {{ month_of(today_in_zone('shops.time_zone')) }} as this_month,
        sum(months.net) over (
            partition by months.shop_id, months.cohort, months.currency
            order by months.month
        ) as net_so_far
    from {{ ref('int_shop__cohort_months') }} as months
    inner join {{ ref('stg_shop__shops') }} as shops
        on months.shop_id = shops.shop_id

)

select
    domain as boutique,
    currency as devise,
    cohort as cohorte,
    {{ months_from('cohort', 'month') }} as mois,
    cohort_customers as clients_cohorte,
    active_customers as clients_actifs,
    orders as commandes,
    net as ca_net,
    net_so_far as ca_net_cumule,
    {{ ratio('net_so_far', 'cohort_customers') }} as ltv,
    {{ ratio('active_customers', 'cohort_customers') }} as retention,
    month < this_month as mois_complet
from months
