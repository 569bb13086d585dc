with

source as (

    {{ document_parts(
        'shop', 'order_items', 'order_id', ref('stg_shop__orders'), ['deleted_at', 'extracted_at']
    ) | indent(4) }}

)

select
    shop_id,
    line_item_id,
    order_id,
    product_id,
    variant_id,
    title,
    variant_title,
    sku,
    vendor,
    quantity,
    current_quantity,
    gift_card,
    {{ text_to_numeric('unit_price') }} as unit_price,
    {{ text_to_numeric('discount') }} as discount,
    change_seq,
    extracted_at
from source
where deleted_at is null
