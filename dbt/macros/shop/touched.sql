{#-
    The groups of rows that changes touch since a table was written (macros/engine/touched_rows.sql). Every shop table
    has the column `extracted_at`: the newest extract behind the row. So the newest one of a shop in the table shows
    up to which extract it has the shop's changes; the extracts of a shop are committed in the order of their times.

    A change of the shop's own facts (its time zone, for example) touches all of the shop's rows.
-#}

{#- Up to which extract this table has each shop's changes. -#}
{% macro shops_built() -%}
    select
        shop_id,
        max(extracted_at) as built_until
    from {{ this }}
    group by shop_id
{%- endmacro %}


{#- The orders with a version that staging does not have. -#}
{% macro orders_in_new_extracts() -%}
    select distinct
        versions.shop_id,
        versions.order_id
    from (
        {{ document_versions('shop', 'orders') | indent(4) }}
    ) as versions
    left join (
        {{ shops_built() | indent(4) }}
    ) as built
        on versions.shop_id = built.shop_id
    where built.built_until is null
        or versions.extracted_at > built.built_until
{%- endmacro %}


{#- The orders that changed since this table was written, with deleted ones. -#}
{% macro touched_orders() -%}
    select
        orders.shop_id,
        orders.order_id,
        coalesce(built.built_until, timestamp '0001-01-01 00:00:00') as built_until
    from {{ ref('stg_shop__orders') }} as orders
    inner join {{ ref('stg_shop__shops') }} as shops
        on orders.shop_id = shops.shop_id
    left join (
        {{ shops_built() | indent(4) }}
    ) as built
        on orders.shop_id = built.shop_id
    where built.built_until is null
        or orders.extracted_at > built.built_until
        or shops.extracted_at > built.built_until
{%- endmacro %}


{#-
    The customers of these orders, in all versions: an order that moves from one customer to another concerns both.
    `first_before` and `first_now`: the customer's first order when this table was written, and now.
-#}
{% macro customers_of_touched_orders() -%}
    select distinct
        touched_orders.shop_id,
        versions.customer_id,
        touched_orders.built_until
    from (
        {{ touched_orders() | indent(4) }}
    ) as touched_orders
    inner join (
        {{ document_versions('shop', 'orders') | indent(4) }}
    ) as versions
        on touched_orders.shop_id = versions.shop_id
        and touched_orders.order_id = versions.order_id
    where versions.customer_id is not null
{%- endmacro %}


{% macro touched_customers() -%}
    select distinct
        shop_id,
        customer_id
    from (
        {{ customers_of_touched_orders() | indent(4) }}
    ) as touched_customers
{%- endmacro %}


{#- The first orders of touched customers: those of today, and those when this table was written. -#}
{% macro first_orders_of_touched_customers() -%}
    select
        shop_id,
        customer_id,
        order_id,
        processed_at
    from (
        with

        touched_customers as (

            {{ customers_of_touched_orders() | indent(8) }}

        ),

        their_orders as (

            select distinct
                versions.shop_id,
                versions.order_id,
                touched_customers.built_until
            from touched_customers
            inner join (
                {{ document_versions('shop', 'orders') | indent(8) }}
            ) as versions
                on touched_customers.shop_id = versions.shop_id
                and touched_customers.customer_id = versions.customer_id

        ),

        before as (

            {{ current_documents('shop', 'orders', ['shop_id', 'order_id'], 'their_orders', 'built_until') | indent(8) }}

        ),

        first_before as (

            select
                before.shop_id,
                before.customer_id,
                before.order_id,
                before.processed_at
            from before
            inner join touched_customers
                on before.shop_id = touched_customers.shop_id
                and before.customer_id = touched_customers.customer_id
            where before.deleted_at is null
                and not before.test
            qualify row_number() over (
                partition by before.shop_id, before.customer_id
                order by before.processed_at, before.order_id
            ) = 1

        )

        select
            shop_id,
            customer_id,
            order_id,
            processed_at
        from first_before
        union distinct
        select
            customers.shop_id,
            customers.customer_id,
            customers.first_order_id as order_id,
            customers.first_order_at as processed_at
        from {{ ref('int_shop__customers') }} as customers
        inner join touched_customers
            on customers.shop_id = touched_customers.shop_id
            and customers.customer_id = touched_customers.customer_id
    ) as first_orders
{%- endmacro %}


{#-
    The days of all sales of changed orders, in all versions, and of orders that begin or cease to be their customer's
    first order. If the shop's facts changed, all days that the table has are touched too.
-#}
{% macro touched_days() -%}
    select distinct
        happened.shop_id,
        {{ day_in_zone('happened.happened_at', 'shops.time_zone') }} as jour
    from (
        select
            sales.shop_id,
            sales.happened_at
        from {{ source('mdp_raw', 'raw_shop__order_sales') }} as sales
        inner join (
            select
                shop_id,
                order_id
            from (
                {{ touched_orders() | indent(8) }}
            ) as changed
            union distinct
            select
                shop_id,
                order_id
            from (
                {{ first_orders_of_touched_customers() | indent(8) }}
            ) as first_orders
            -- a customer has one row if the first order is the same as before
            qualify count(*) over (partition by shop_id, customer_id) > 1
        ) as orders
            on sales.shop_id = orders.shop_id
            and sales.order_id = orders.order_id
    ) as happened
    inner join {{ ref('stg_shop__shops') }} as shops
        on happened.shop_id = shops.shop_id
    union distinct
    {{ groups_of_changed_shops(['shop_id', 'jour']) }}
{%- endmacro %}


{#- The cohorts of touched customers, before and now. -#}
{% macro touched_cohorts() -%}
    select distinct
        first_orders.shop_id,
        {{ month_of(day_in_zone('first_orders.processed_at', 'shops.time_zone')) }} as cohort
    from (
        {{ first_orders_of_touched_customers() | indent(4) }}
    ) as first_orders
    inner join {{ ref('stg_shop__shops') }} as shops
        on first_orders.shop_id = shops.shop_id
    union distinct
    {{ groups_of_changed_shops(['shop_id', 'cohort']) }}
{%- endmacro %}


{#- The groups that this table has of shops with changed facts. -#}
{% macro groups_of_changed_shops(columns) -%}
    select distinct
        {%- for column in columns %}
        written.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ this }} as written
    inner join (
        {{ shops_built() | indent(4) }}
    ) as built
        on written.shop_id = built.shop_id
    inner join {{ ref('stg_shop__shops') }} as shops
        on written.shop_id = shops.shop_id
    where shops.extracted_at > built.built_until
{%- endmacro %}
