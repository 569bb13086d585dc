{#- Compares the sums per shop, day and currency with those of the sales. Returns those that differ. -#}
{% test shop_sums_match_sales(model) %}

with

sales as (

    select
        shop_id,
        day as jour,
        currency as devise,
        sum(net) as net,
        sum(tax) as tax
    from {{ ref('int_shop__sales') }}
    group by shop_id, day, currency

),

found as (

    select
        shop_id,
        jour,
        devise,
        sum(ca_net + livraison + pourboires + frais + cartes_cadeaux + non_classe) as net,
        sum(taxes) as tax
    from {{ model }}
    group by shop_id, jour, devise

)

select
    coalesce(sales.shop_id, found.shop_id) as shop_id,
    coalesce(sales.jour, found.jour) as jour,
    coalesce(sales.devise, found.devise) as devise
from sales
full outer join found
    on sales.shop_id = found.shop_id
    and sales.jour = found.jour
    and sales.devise = found.devise
where sales.net is distinct from found.net
    or sales.tax is distinct from found.tax

{% endtest %}
