{{ config(
    materialized='touched_rows',
    meta={'touched': 'orders_in_new_extracts', 'group_columns': ['shop_id', 'order_id']},
    cluster_by=['shop_id', 'order_id'],
) }}
{%- do orders_in_new_extracts() -%}

with

source as (

    {{ current_documents(
        'shop', 'orders', ['shop_id', 'order_id'], only=touched_groups() if writes_touched_rows() else none
    ) | indent(4) }}

)

select
    shop_id,
    order_id,
    account_id,
    name,
    created_at,
    processed_at,
    cancelled_at,
    cancel_reason,
    test as is_test,
    source_name,
    taxes_included,
    currency,
    presentment_currency,
    financial_status,
    customer_id,
    ship_country,
    ship_province,
    ship_city,
    bill_country,
    bill_province,
    {{ text_to_numeric('total_price') }} as total_price,
    {{ text_to_numeric('current_total_price') }} as current_total_price,
    {{ text_to_numeric('original_total_price') }} as original_total_price,
    discount_codes,
    deleted_at,
    change_seq,
    extract_run_id,
    extracted_at
from source
