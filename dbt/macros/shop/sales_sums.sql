{#- The definitions of the shop's measures, as sums over rows of int_shop__sales. -#}

{#- The measures of products. -#}
{% macro product_sums() -%}
    sum(case when sales.kind = 'sold' then sales.gross else 0 end) as ca_brut,
    sum(case when sales.kind = 'sold' then sales.discount else 0 end) as remises,
    sum(case when sales.kind = 'returned' then -sales.net else 0 end) as retours,
    sum(case when sales.kind in ('sold', 'returned') then sales.net else 0 end) as ca_net
{%- endmacro %}


{#- The sales of the days that the model writes, as a `from` clause. -#}
{% macro from_sales_of_touched_days() -%}
    from {{ ref('int_shop__sales') }} as sales
    {%- if writes_touched_rows() %}
    inner join {{ touched_groups() }} as touched_groups
        on sales.shop_id = touched_groups.shop_id
        and sales.day = touched_groups.jour
    {%- endif %}
{%- endmacro %}


{#-
    The measures by shop, day, place and currency, as CTEs; the last one is `sums`. `place`: the columns of the place in
    int_shop__sales, or none. Orders and customers are counted in steps, because a count of distinct values for each day
    needs memory for all of them at once.
-#}
{% macro sums_by_day(place=[]) -%}
{%- set keys = ['shop_id', 'day'] + place + ['currency'] -%}
{%- set of_sales = 'sales.' ~ keys | join(', sales.') -%}
amounts as (

    select
        {{ of_sales }},
        cast(sum(case when sales.kind = 'sold' then sales.quantity else 0 end) as bigint) as unites,
        {{ product_sums() | indent(8) }},
        sum(case when sales.kind = 'shipping' then sales.net else 0 end) as livraison,
        sum(sales.tax) as taxes,
        sum(case when sales.kind = 'tip' then sales.net else 0 end) as pourboires,
        sum(case when sales.kind = 'fee' then sales.net else 0 end) as frais,
        sum(case when sales.kind = 'gift_card' then sales.net else 0 end) as cartes_cadeaux,
        sum(case when sales.kind = 'unknown' then sales.net else 0 end) as non_classe,
        sum(case when sales.kind in ('sold', 'returned', 'shipping', 'fee') then sales.net else 0 end) + sum(sales.tax)
            as ca_total,
        sum(case when sales.kind = 'sold' and sales.is_placed_product then sales.net else 0 end) as ca_des_commandes,
        max(sales.extracted_at) as extracted_at
    {{ from_sales_of_touched_days() | indent(4) }}
    group by {{ of_sales }}

),

placed_orders as (

    select distinct
        {{ of_sales }},
        sales.order_id,
        sales.customer_id
    {{ from_sales_of_touched_days() | indent(4) }}
    where sales.is_placed_product

),

first_orders as (

    select
        placed_orders.shop_id,
        placed_orders.order_id
    from placed_orders
    inner join {{ ref('int_shop__customers') }} as customers
        on placed_orders.shop_id = customers.shop_id
        and placed_orders.order_id = customers.first_order_id
    group by placed_orders.shop_id, placed_orders.order_id

),

customers as (

    select
        placed_orders.{{ keys | join(', placed_orders.') }},
        placed_orders.customer_id,
        count(*) as orders,
        count(first_orders.order_id) as first_orders
    from placed_orders
    left join first_orders
        on placed_orders.shop_id = first_orders.shop_id
        and placed_orders.order_id = first_orders.order_id
    group by placed_orders.{{ keys | join(', placed_orders.') }}, placed_orders.customer_id

),

counts as (

    select
        {{ keys | join(', ') }},
        cast(sum(orders) as bigint) as commandes,
        count(customer_id) as clients,
        cast(sum(first_orders) as bigint) as nouveaux_clients,
        cast(sum(case when customer_id is null then orders else 0 end) as bigint) as commandes_invites
    from customers
    group by {{ keys | join(', ') }}

),

sums as (

    select
        amounts.*,
        coalesce(counts.commandes, 0) as commandes,
        coalesce(counts.clients, 0) as clients,
        coalesce(counts.nouveaux_clients, 0) as nouveaux_clients,
        coalesce(counts.commandes_invites, 0) as commandes_invites
    from amounts
    left join counts
        on amounts.shop_id = counts.shop_id
        and amounts.day = counts.day
        and amounts.currency = counts.currency
        {%- for column in place %}
        and coalesce(amounts.{{ column }}, '') = coalesce(counts.{{ column }}, '')
        {%- endfor %}

)
{%- endmacro %}


{#-
    A ratio; null if the denominator is 0. Amounts have at most four decimals, so both sides are whole numbers here: equal
    ratios are equal in floating point, on both engines.
-#}
{% macro ratio(numerator, denominator) -%}
    {{ to_double('10000 * (' ~ numerator ~ ')') }} / nullif({{ to_double('10000 * (' ~ denominator ~ ')') }}, 0)
{%- endmacro %}
