{#- The definitions of the shop's measures, as sums over rows of int_shop__sales. -#}

{#- The measures of products. -#}
{% macro product_sums() -%}
    sum(case when sales.kind = 'sold' then sales.gross else 0 end) as ca_brut,
    sum(case when sales.kind = 'sold' then sales.discount else 0 end) as remises,
    sum(case when sales.kind = 'returned' then -sales.net else 0 end) as retours,
    sum(case when sales.kind in ('sold', 'returned') then sales.net else 0 end) as ca_net
{%- endmacro %}


{#- The measures of a day or a place. `customers`: int_shop__customers, joined to the sales. -#}
{% macro day_sums() -%}
    count(distinct case when sales.is_placed_product then sales.order_id end) as commandes,
    count(distinct case when sales.is_placed_product then sales.customer_id end) as clients,
    count(distinct case
        when sales.is_placed_product and customers.first_order_id = sales.order_id then sales.customer_id
    end) as nouveaux_clients,
    count(distinct case when sales.is_placed_product and sales.customer_id is null then sales.order_id end)
        as commandes_invites,
    cast(sum(case when sales.kind = 'sold' then sales.quantity else 0 end) as bigint) as unites,
    {{ product_sums() }},
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
{%- endmacro %}


{#-
    A ratio; null if the denominator is 0. Amounts have at most four decimals, so both sides are whole numbers here: equal
    ratios are equal in floating point, on both engines.
-#}
{% macro ratio(numerator, denominator) -%}
    {{ to_double('10000 * (' ~ numerator ~ ')') }} / nullif({{ to_double('10000 * (' ~ denominator ~ ')') }}, 0)
{%- endmacro %}
