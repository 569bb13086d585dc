{#-
    The rows of `versions` (macros/raw/ledger.sql) of a report's days, converted as the current rows are: by the platform's
    own <platform>_measured. `columns`: those that only this report has, as they came. A version without rows has none
    here.

    A macro and no ephemeral model: dbt puts an ephemeral model into a query once per loaded project. Runs after the
    first in the same process would be without it.
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
