{#-
    The groups of rows that changes touch since a table was written (macros/engine/touched_rows.sql). Every shop table
    has the column `extracted_at`: the newest extract behind the row. So the newest one of a shop in the table shows
    up to which extract it has the shop's changes; the extracts of a shop are committed in the order of their times.

    A change of the shop's own facts (its time zone, for example) touches all of the shop's rows.

    The instants are literals in the SQL: an engine then skips the blocks of rows that are older.
-#}

{#-
    How far this table is: for each shop, the `shop_id`, the instant `until` of its newest extract in the table, and
    whether the shop's `facts` have changed since. Empty if the table is built whole.
-#}
{% macro progress() -%}
    {%- set found = [] -%}
    {%- if writes_touched_rows() -%}
        {#- The `t` keeps dbt from reading the text as an instant, which would change its digits. -#}
        {%- set query -%}
            select
                shops.shop_id,
                't' || cast(coalesce(written.until, timestamp '{{ earliest() }}') as string) as built_until,
                case when shops.extracted_at > coalesce(written.until, timestamp '{{ earliest() }}') then 1 else 0 end
                    as facts_changed
            from {{ ref('stg_shop__shops') }} as shops
            left join (
                select
                    shop_id,
                    max(extracted_at) as until
                from {{ this }}
                group by shop_id
            ) as written
                on shops.shop_id = written.shop_id
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            {%- do found.append({'shop_id': row[0] | int, 'until': row[1][1:], 'facts': row[2] | int == 1}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{% macro earliest() -%}
    0001-01-01 00:00:00
{%- endmacro %}


{#- The progress as a relation (shop_id, built_until). -#}
{% macro shops_built(progress) -%}
    {%- for shop in progress %}
    select {{ shop.shop_id }} as shop_id, timestamp '{{ shop.until }}' as built_until {{ 'union all' if not loop.last }}
    {%- else %}
    select shop_id, extracted_at as built_until from {{ ref('stg_shop__shops') }}
    {%- endfor %}
{%- endmacro %}


{#- The instant after which any shop has changes that this table does not have. -#}
{% macro changed_since(progress) -%}
    timestamp '{{ progress | map(attribute='until') | min if progress else earliest() }}'
{%- endmacro %}


{#- The shops with changed facts, as a list in SQL. Empty if there is none, or if the table is built whole. -#}
{% macro shops_with_changed_facts(progress) -%}
    {{ progress | selectattr('facts') | map(attribute='shop_id') | join(', ') }}
{%- endmacro %}


{#- The orders with a version that staging does not have. -#}
{% macro orders_in_new_extracts() -%}
    {%- set progress = progress() -%}
    select distinct
        versions.shop_id,
        versions.order_id
    from (
        {{ new_document_versions('shop', 'orders', changed_since(progress)) | indent(4) }}
    ) as versions
    left join (
        {{ shops_built(progress) | indent(4) }}
    ) as built
        on versions.shop_id = built.shop_id
    where built.built_until is null
        or versions.extracted_at > built.built_until
{%- endmacro %}


{#- The orders that changed since this table was written, with deleted ones. -#}
{% macro touched_orders() -%}
    {{ orders_touched_since(progress()) }}
{%- endmacro %}

{% macro orders_touched_since(progress) -%}
    {%- set shops = shops_with_changed_facts(progress) -%}
    select
        orders.shop_id,
        orders.order_id
    from {{ ref('stg_shop__orders') }} as orders
    inner join (
        {{ shops_built(progress) | indent(4) }}
    ) as built
        on orders.shop_id = built.shop_id
    where orders.extracted_at > {{ changed_since(progress) }}
        and orders.extracted_at > built.built_until
    {%- if shops %}
    union distinct
    select
        orders.shop_id,
        orders.order_id
    from {{ ref('stg_shop__orders') }} as orders
    where orders.shop_id in ({{ shops }})
    {%- endif %}
{%- endmacro %}


{#- The customers of these orders, in all versions: an order that moves from one customer to another concerns both. -#}
{% macro touched_customers() -%}
    select distinct
        versions.shop_id,
        versions.customer_id
    from (
        {{ touched_orders() | indent(4) }}
    ) as touched_orders
    inner join {{ source('mdp_raw', 'raw_shop__orders') }} as versions
        on touched_orders.shop_id = versions.shop_id
        and touched_orders.order_id = versions.order_id
    where versions.customer_id is not null
{%- endmacro %}


{#- The days that changes touch, from int_shop__touched_dates. -#}
{% macro touched_days() -%}
    {{ touched_dates_of('day', 'jour') }}
{%- endmacro %}


{#- The cohorts that changes touch, from int_shop__touched_dates. -#}
{% macro touched_cohorts() -%}
    {{ touched_dates_of('cohort', 'cohort') }}
{%- endmacro %}


{% macro touched_dates_of(kind, column) -%}
    {%- set progress = progress() -%}
    select
        dates.shop_id,
        dates.touched_date as {{ column }}
    from {{ ref('int_shop__touched_dates') }} as dates
    inner join (
        {{ shops_built(progress) | indent(4) }}
    ) as built
        on dates.shop_id = built.shop_id
    where dates.kind = '{{ kind }}'
        and dates.extracted_at > built.built_until
{%- endmacro %}
