{#-
    Compares the sums per shop and currency with staging's, without test orders, for the orders that recent extracts
    touched. Returns those that differ.
-#}
{% test shop_sums_match_staging(model) %}

{%- set since = checked_since() %}

with

orders as (

    select
        shop_id,
        order_id,
        currency
    from {{ ref('stg_shop__orders') }}
    where extracted_at > {{ since }}
        and not is_test

),

staged as (

    select
        sales.shop_id,
        orders.currency,
        count(*) as row_count,
        sum(sales.amount) as amount,
        sum(sales.discount_before_tax) as discount
    from {{ ref('stg_shop__order_sales') }} as sales
    inner join orders
        on sales.shop_id = orders.shop_id
        and sales.order_id = orders.order_id
    where sales.extracted_at > {{ since }}
    group by sales.shop_id, orders.currency

),

written as (

    select *
    from {{ model }}

),

-- by the orders' extracts: a shop with changed facts has new rows for all of its orders
found as (

    select
        sales.shop_id,
        sales.currency,
        count(*) as row_count,
        sum(sales.net + sales.tax) as amount,
        sum(sales.gross - sales.net) as discount
    from written as sales
    inner join orders
        on sales.shop_id = orders.shop_id
        and sales.order_id = orders.order_id
    group by sales.shop_id, sales.currency

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
