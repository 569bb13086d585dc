{#-
    Checks that the campaigns add up to the platform's own account totals. Returns the rows that MDP lost and the
    differences without a known reason, the largest first, then totals that lack conversions, then differences that a
    person accepts. Differences with a known reason are only in the table.
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
    accepted_reason,
    accepted_by,
    rows_in_ledger,
    rows_in_raw,
    rows_staged,
    rows_unified
from {{ model }}
where verdict in ('lost', 'total_lacks_conversions', 'unexplained')
order by
    case when accepted_reason is not null then 4 when verdict = 'lost' then 1 when verdict = 'unexplained' then 2 else 3 end,
    abs(difference) desc,
    date,
    platform,
    account_id,
    metric

{% endtest %}
