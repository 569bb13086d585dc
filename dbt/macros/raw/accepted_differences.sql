{#-
    The differences between campaigns and account totals that people accept, from clients.yaml: one row for each account,
    metric and range of days. An account's ranges do not overlap.

    The table is append-only and small: its newest rows, which were written together, replace all earlier ones. The probe
    (mdp_dagster/ingest/accepted_differences.py) has the same rule.
-#}
{% macro accepted_differences(platforms) -%}
    select
        source,
        account_id,
        first_day,
        last_day,
        metric,
        up_to,
        reason,
        accepted_by
    from (
        select *
        from {{ source('mdp_raw', 'raw__accepted_differences') }}
        where true
            {{- and_known('ingested_at') }}
        qualify rank() over (order by ingested_at desc, extract_run_id desc) = 1
    ) as newest
    where source in ('{{ platforms | join("', '") }}')
{%- endmacro %}
