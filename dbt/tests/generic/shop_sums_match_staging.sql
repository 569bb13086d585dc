{#- Compares the sums per shop and currency with staging's, without test orders. Returns those that differ. -#}
{% test shop_sums_match_staging(model) %}

with

staged as (

    select
        sales.shop_id,
        orders.currency,
        count(*) as row_count,
        sum(sales.amount) as amount,
        sum(sales.discount_before_tax) as discount
    from {{ ref('stg_shop__order_sales') }} as sales
    inner join {{ ref('stg_shop__orders') }} as orders
        on sales.shop_id = orders.shop_id
        and sales.order_id = orders.order_id
    where not orders.is_test
    group by sales.shop_id, orders.currency

),

found as (

    select
        shop_id,
        currency,
        count(*) as row_count,
        sum(net + tax) as amount,
        sum(gross - net) as discount
    from {{ model }}
    group by shop_id, currency

)

select
    coalesce(staged.shop_id, found.shop_id) as shop_id,
    coalesce(staged.currency, found.currency) as currency,
    staged.row_count as rows_staged,
    found.row_count as rows_found
from staged
full outer join found
    on staged.shop_id = found.shop_id
    and staged.currency = found.currency
where staged.row_count is distinct from found.row_count
    or staged.amount is distinct from found.amount
    or staged.discount is distinct from found.discount

{% endtest %}
