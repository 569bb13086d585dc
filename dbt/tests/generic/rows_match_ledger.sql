{#-
    Compares the number of rows with the ledger's. Returns the accounts and days that differ: rows were lost or doubled,
    or a day that should be empty has rows.
-#}
{% test rows_match_ledger(model, platform, report) %}

with expected as (

    {{ current_extracts(platform, report) }}

),

actual as (

    select
        account_id,
        date,
        count(*) as row_count
    from {{ model }}
    group by account_id, date

)

select
    coalesce(expected.account_id, actual.account_id) as account_id,
    coalesce(expected.date, actual.date) as date,
    coalesce(expected.row_count, 0) as rows_expected,
    coalesce(actual.row_count, 0) as rows_found
from expected
full outer join actual
    on expected.account_id = actual.account_id
    and expected.date = actual.date
where coalesce(expected.row_count, 0) <> coalesce(actual.row_count, 0)

{% endtest %}
