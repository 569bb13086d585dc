with

source as (

    {{ current_documents('shop', 'shops', ['shop_id']) | indent(4) }}

)

select
    shop_id,
    domain,
    name,
    time_zone,
    currency,
    change_seq,
    extracted_at
from source
where deleted_at is null
