{#-
    The extract ledger's rule, and the only place that knows it: the rows of a day that count are those written under
    the effective_run_id of the newest pull of that day. Raw rows are append-only; older pulls, and pulls that were
    never committed, stay in the table and are not selected. A day restated to empty has no rows under its newest run.

    Both sides are filtered by literal days, so that BigQuery prunes both.
-#}

{#- The newest pull of each account and day in the window. -#}
{% macro current_extracts(platform, report) -%}
    select
        account_id,
        date,
        row_count,
        effective_run_id
    from {{ source('mdp_raw', 'raw__extracts') }}
    where source = '{{ platform }}'
        and report = '{{ report }}'
        and {{ in_window('date') }}
    qualify row_number() over (
        partition by account_id, date
        -- the newest pull wins, not the newest commit; the run id makes a tie come out the same every time
        order by extracted_at desc, extract_run_id desc
    ) = 1
{%- endmacro %}


{#- The raw rows that count, in the window. -#}
{% macro current_rows(platform, report) -%}
    select raw_rows.*
    from {{ source('mdp_raw', 'raw_' ~ platform ~ '__' ~ report) }} as raw_rows
    inner join (
        {{ current_extracts(platform, report) | indent(4) }}
    ) as extracts
        on raw_rows.account_id = extracts.account_id
        and raw_rows.date = extracts.date
        and raw_rows.extract_run_id = extracts.effective_run_id
    where {{ in_window('raw_rows.date') }}
{%- endmacro %}
