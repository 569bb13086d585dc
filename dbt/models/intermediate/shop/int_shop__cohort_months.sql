{{ config(
    meta={'touched': 'touched_cohorts', 'group_columns': ['shop_id', 'cohort']},
    cluster_by=['shop_id', 'cohort'],
) }}
{%- do touched_cohorts() -%}

with

customers as (

    select
        customers.shop_id,
        customers.customer_id,
        customers.cohort,
        count(*) over (partition by customers.shop_id, customers.cohort) as cohort_customers,
        max(customers.extracted_at) over (partition by customers.shop_id, customers.cohort) as extracted_at
    from {{ ref('int_shop__customers') }} as customers
    {{- only_touched('customers', ['shop_id', 'cohort']) }}

)

select
    customers.shop_id,
    customers.cohort,
    months.currency,
    months.month,
    customers.cohort_customers,
    count(distinct case when months.orders > 0 then months.customer_id end) as active_customers,
    cast(sum(months.orders) as bigint) as orders,
    sum(months.net) as net,
    max(customers.extracted_at) as extracted_at
from customers
inner join {{ ref('int_shop__customer_months') }} as months
    on customers.shop_id = months.shop_id
    and customers.customer_id = months.customer_id
group by customers.shop_id, customers.cohort, months.currency, months.month, customers.cohort_customers
