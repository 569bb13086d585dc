{#-
    Compares the sums per shop, day and currency with those of the sales, for the days with sales that recent extracts
    touched. Returns those that differ.
-#}
{% test shop_sums_match_sales(model) %}

with

days as (

    select distinct
        shop_id,
        day
    from {{ ref('int_shop__sales') }}
    where extracted_at > {{ checked_since() }}

),

sales as (

    select
        sales.shop_id,
        sales.day as jour,
        sales.currency as devise,
        sum(sales.net) as net,
        sum(sales.tax) as tax
    from {{ ref('int_shop__sales') }} as sales
    inner join days
        on sales.shop_id = days.shop_id
        and sales.day = days.day
    group by sales.shop_id, sales.day, sales.currency

),

found as (

    select
        written.shop_id,
        written.jour,
        written.devise,
        sum(ca_net + livraison + pourboires + frais + cartes_cadeaux + non_classe) as net,
        sum(taxes) as tax
    from {{ model }} as written
    inner join days
        on written.shop_id = days.shop_id
        and written.jour = days.day
    group by written.shop_id, written.jour, written.devise

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
