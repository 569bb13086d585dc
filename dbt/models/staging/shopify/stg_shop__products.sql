with

source as (

    {{ current_documents('shop', 'products', ['shop_id', 'product_id']) | indent(4) }}

)

select
    shop_id,
    product_id,
    title,
    vendor,
    product_type,
    status,
    created_at,
    deleted_at,
    change_seq,
    extracted_at
from source
