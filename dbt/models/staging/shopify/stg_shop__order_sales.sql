with

source as (

    {{ document_parts(
        'shop', 'order_sales', 'order_id', ref('stg_shop__orders'), ['deleted_at', 'extracted_at']
    ) | indent(4) }}

)

select
    shop_id,
    sale_id,
    order_id,
    agreement_id,
    happened_at,
    reason,
    action_type,
    line_type,
    line_item_id,
    quantity,
    {{ text_to_numeric('amount') }} as amount,
    {{ text_to_numeric('tax') }} as tax,
    {{ text_to_numeric('discount_before_tax') }} as discount_before_tax,
    change_seq,
    extracted_at
from source
where deleted_at is null
