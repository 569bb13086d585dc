{#- The days and cohorts that changes touch, for int_shop__touched_dates: (shop_id, kind, touched_date, extracted_at). -#}

{#-
    The dates that changes touch since int_shop__touched_dates was written:
    - the days of all sales of changed orders, in all versions;
    - the days of orders that begin or cease to be their customer's first order;
    - the cohorts of the customers of changed orders, before and now.
-#}
{% macro newly_touched_dates() -%}
    {%- set progress = progress() -%}
    {%- set shops = shops_with_changed_facts(progress) -%}
    with

    built as (

        {{ shops_built(progress) | indent(8) }}

    ),

    changed as (

        select
            orders.shop_id,
            orders.order_id,
            built.built_until
        from {{ ref('stg_shop__orders') }} as orders
        inner join built
            on orders.shop_id = built.shop_id
        where orders.extracted_at > {{ changed_since(progress) }}
            and orders.extracted_at > built.built_until

    ),

    versions as (

        select
            versions.shop_id,
            versions.order_id,
            versions.customer_id,
            versions.processed_at,
            versions.test as is_test,
            versions.deleted_at,
            versions.change_seq,
            versions.extracted_at,
            changed.built_until
        from (
            {{ document_versions('shop', 'orders') | indent(12) }}
        ) as versions
        inner join changed
            on versions.shop_id = changed.shop_id
            and versions.order_id = changed.order_id

    ),

    customers as (

        select distinct
            shop_id,
            customer_id
        from versions
        where customer_id is not null

    ),

    -- all orders of these customers, as they are now
    orders_now as (

        select
            orders.shop_id,
            orders.customer_id,
            orders.order_id,
            orders.processed_at,
            orders.is_test,
            orders.deleted_at
        from {{ ref('stg_shop__orders') }} as orders
        inner join customers
            on orders.shop_id = customers.shop_id
            and orders.customer_id = customers.customer_id

    ),

    -- the same when this table was written: changed orders had an earlier version, or none
    orders_before as (

        select
            shop_id,
            customer_id,
            order_id,
            processed_at,
            is_test,
            deleted_at
        from (
            select *
            from versions
            where extracted_at <= built_until
            qualify row_number() over (
                partition by shop_id, order_id
                order by change_seq desc, extracted_at desc
            ) = 1
        ) as versions_before
        where customer_id is not null
        union all
        select
            orders_now.shop_id,
            orders_now.customer_id,
            orders_now.order_id,
            orders_now.processed_at,
            orders_now.is_test,
            orders_now.deleted_at
        from orders_now
        left join changed
            on orders_now.shop_id = changed.shop_id
            and orders_now.order_id = changed.order_id
        where changed.order_id is null

    ),

    first_orders as (

        {% for orders in ['orders_before', 'orders_now'] -%}
        select
            shop_id,
            customer_id,
            order_id,
            processed_at
        from (
            select *
            from {{ orders }}
            where deleted_at is null
                and not is_test
            qualify row_number() over (
                partition by shop_id, customer_id
                order by processed_at, order_id
            ) = 1
        ) as {{ orders }}_first
        {{ 'union distinct' if not loop.last }}
        {% endfor %}
    ),

    touched_orders as (

        select
            shop_id,
            order_id
        from changed
        union distinct
        select
            shop_id,
            order_id
        from (
            select *
            from first_orders
            -- a customer has one row if the first order is the same as before
            qualify count(*) over (partition by shop_id, customer_id) > 1
        ) as moved_first_orders

    ),

    touched as (

        select distinct
            sales.shop_id,
            'day' as kind,
            {{ day_in_zone('sales.happened_at', 'shops.time_zone') }} as touched_date
        from {{ source('mdp_raw', 'raw_shop__order_sales') }} as sales
        inner join touched_orders
            on sales.shop_id = touched_orders.shop_id
            and sales.order_id = touched_orders.order_id
        inner join {{ ref('stg_shop__shops') }} as shops
            on sales.shop_id = shops.shop_id
        union distinct
        select distinct
            first_orders.shop_id,
            'cohort' as kind,
            {{ month_of(day_in_zone('first_orders.processed_at', 'shops.time_zone')) }} as touched_date
        from first_orders
        inner join {{ ref('stg_shop__shops') }} as shops
            on first_orders.shop_id = shops.shop_id

    ),

    newest as (

        {{ newest_extracts(changed_since(progress)) | indent(8) }}

    )

    select
        touched.shop_id,
        touched.kind,
        touched.touched_date,
        newest.extracted_at
    from touched
    inner join newest
        on touched.shop_id = newest.shop_id
    {%- if shops %}
    where touched.shop_id not in ({{ shops }})
    union all
    select *
    from (
        {{ all_dates() | indent(8) }}
    ) as all_dates
    where shop_id in ({{ shops }})
    {%- endif %}
{%- endmacro %}


{#-
    All dates that a shop's tables can have in any time zone, as touched by its newest extract. An instant is on its day
    in UTC, the day before or the day after.
-#}
{% macro all_dates() -%}
    select distinct
        dates.shop_id,
        dates.kind,
        dates.touched_date,
        newest.extracted_at
    from (
        {% for kind, table, column in [
            ('day', 'order_sales', 'happened_at'), ('cohort', 'orders', 'processed_at')
        ] -%}
        {%- for days in [-1, 0, 1] -%}
        {%- set day = days_before('cast(utc_day as date)', days) -%}
        select distinct
            shop_id,
            '{{ kind }}' as kind,
            {{ month_of(day) if kind == 'cohort' else day }} as touched_date
        from (
            select distinct
                shop_id,
                cast({{ column }} as date) as utc_day
            from {{ source('mdp_raw', 'raw_shop__' ~ table) }}
        ) as {{ table }}_days
        {{ 'union distinct' if not loop.last }}
        {% endfor %}
        {{ 'union distinct' if not loop.last }}
        {% endfor %}
    ) as dates
    inner join (
        {{ newest_extracts("timestamp '" ~ earliest() ~ "'") | indent(8) }}
    ) as newest
        on dates.shop_id = newest.shop_id
{%- endmacro %}


{#- The newest extract of each shop with orders after an instant, or with changed facts. -#}
{% macro newest_extracts(since) -%}
    select
        shop_id,
        max(extracted_at) as extracted_at
    from (
        select
            shop_id,
            extracted_at
        from {{ ref('stg_shop__orders') }}
        where extracted_at > {{ since }}
        union all
        select
            shop_id,
            extracted_at
        from {{ ref('stg_shop__shops') }}
    ) as extracts
    group by shop_id
{%- endmacro %}
