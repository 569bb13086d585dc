{#- Returns the accounts without an exchange rate. Their clients' totals are null for those days. -#}
{% test exchange_rate_known(model) %}

select
    platform,
    account_id,
    currency,
    reporting_currency,
    count(*) as rows_without_rate
from {{ model }}
where exchange_rate is null
group by platform, account_id, currency, reporting_currency

{% endtest %}
