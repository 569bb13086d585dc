{#- Returns the types of the sales ledger that MDP does not know, with the number and the amount of their entries. -#}
{% test sales_known(model) %}

select
    shop_id,
    line_type,
    action_type,
    currency,
    count(*) as sales,
    sum(net) as net
from {{ model }}
where kind = 'unknown'
group by shop_id, line_type, action_type, currency

{% endtest %}
