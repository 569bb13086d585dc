with

products as (

    {{ current_documents('shop', 'products', ['shop_id', 'product_id']) | indent(4) }}

),

variants as (

    {{ document_parts('shop', 'variants', 'product_id', 'products', ['deleted_at', 'extracted_at']) | indent(4) }}

)

select
    shop_id,
    variant_id,
    product_id,
    title,
    sku,
    {{ text_to_numeric('price') }} as price,
    change_seq,
    extracted_at
from variants
where deleted_at is null
