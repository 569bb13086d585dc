{#-
    Checks that the campaigns add up to the platform's own account totals. Returns the rows that MDP lost and the
    differences without a known reason, the largest first. Differences with a known reason are only in the table.
-#}
{% test campaigns_add_up(model) %}

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
