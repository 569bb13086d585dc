{#-
    Selects the rows of `versions` (macros/raw/ledger.sql) of a report's days, converted like the current rows: by the
    platform's <platform>_measured. `columns`: the columns that only this report has, unconverted. A version without
    rows has no row here.

    This is a macro, not an ephemeral model: dbt inserts an ephemeral model into a query once per loaded project. Later
    runs in the same process would not have it.
-#}
{% macro measured_versions(platform, report, versions, columns=[]) -%}
    with

    source as (

        {{ rows_under(platform, report, versions, ['version']) | indent(4) }}

    ),

    measured as (

        {{ context[platform ~ '_measured']('source', columns=columns + ['version']) | indent(4) }}

    )

    select
        date,
        account_id,
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        version,
        currency,
        {{ measures() | indent(4) }}
    from measured
{%- endmacro %}
