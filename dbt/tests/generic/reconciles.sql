{#-
    Do the campaigns add up to what the platform says of the whole account? Gives what was lost on the way, and
    differences without a known reason, the worst first. Explained differences stand in the table and are no failure.
-#}
{% test reconciles(model) %}

select
    verdict,
    date,
    platform,
    account_id,
    metric,
    account_total,
    campaign_sum,
    difference,
    explanation,
    rows_in_ledger,
    rows_in_raw,
    rows_staged,
    rows_unified
from {{ model }}
where verdict in ('lost', 'unexplained')
order by
    case verdict when 'lost' then 1 else 2 end,
    abs(difference) desc,
    date,
    platform,
    account_id,
    metric

{% endtest %}
