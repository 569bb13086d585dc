with

source as (

    {{ current_documents('shop', 'customers', ['shop_id', 'customer_id']) | indent(4) }}

)

select
    shop_id,
    customer_id,
    country,
    created_at,
    deleted_at,
    change_seq,
    extracted_at
from source
