{#-
    The rule for reports that are extracted by change, which no other SQL file contains: only rows of extracts in the
    ledger raw__feeds count, and the current version of a document is its row with the highest change_seq. The parts of
    a document (the items of an order) are the rows with the same change_seq and extract.

    Raw is append-only, so it also has all earlier versions. A tombstone is a version with `deleted_at`.
-#}

{#- The extracts of a report in the ledger. All macros here read the ledger through this one. -#}
{% macro feed_extracts(source_name, report) -%}
    select
        account_id,
        extract_run_id,
        extracted_at
    from {{ source('mdp_raw', 'raw__feeds') }}
    where source = '{{ source_name }}'
        and report = '{{ report }}'
        {{- and_known('extracted_at') }}
{%- endmacro %}


{#- Every version of every document of a report. `extracted_at`: when its extract began. -#}
{% macro document_versions(source_name, report) -%}
    select
        raw_rows.*,
        feeds.extracted_at
    from {{ source('mdp_raw', 'raw_' ~ source_name ~ '__' ~ report) }} as raw_rows
    inner join (
        {{ feed_extracts(source_name, report) | indent(4) }}
    ) as feeds
        on raw_rows.account_id = feeds.account_id
        and raw_rows.extract_run_id = feeds.extract_run_id
{%- endmacro %}


{#-
    The versions in extracts that began after an instant. `since`: the instant, in SQL. The number of the change, as a
    literal, lets the engine skip older blocks of raw.
-#}
{% macro new_document_versions(source_name, report, since) -%}
    {%- set first = none -%}
    {%- if execute and flags.WHICH in ['run', 'build', 'test'] -%}
        {%- set query -%}
            select min(cursor_from) as first_cursor
            from {{ source('mdp_raw', 'raw__feeds') }}
            where source = '{{ source_name }}'
                and report = '{{ report }}'
                and extracted_at > {{ since }}
        {%- endset -%}
        {%- set first = run_query(query).rows[0][0] -%}
    {%- endif -%}
    select versions.*
    from (
        {{ document_versions(source_name, report) | indent(4) }}
    ) as versions
    where versions.extracted_at > {{ since }}
    {%- if first is not none %}
        and versions.change_seq > {{ first | int }}
    {%- endif %}
{%- endmacro %}


{#-
    The current version of each document. `key`: the columns of the document's key. `only`: a relation with these
    columns; only these documents are returned.
-#}
{% macro current_documents(source_name, report, key, only=none) -%}
    select versions.*
    from (
        {{ document_versions(source_name, report) | indent(4) }}
    ) as versions
    {%- if only %}
    inner join {{ only }} as wanted
        on {% for column in key %}{{ 'and ' if not loop.first }}versions.{{ column }} = wanted.{{ column }} {% endfor %}
    {%- endif %}
    qualify row_number() over (
        partition by {% for column in key %}versions.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        -- a version that was extracted twice has the same content; the order decides in the same way every time
        order by versions.change_seq desc, versions.extracted_at desc, versions.extract_run_id desc
    ) = 1
{%- endmacro %}


{#-
    The parts of documents, each with the columns of `documents`, a relation with versions of documents (account_id,
    extract_run_id, change_seq and the document's id). `columns`: the columns of `documents` to return.
-#}
{% macro document_parts(source_name, report, id, documents, columns) -%}
    select
        parts.*,
        {%- for column in columns %}
        documents.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ source('mdp_raw', 'raw_' ~ source_name ~ '__' ~ report) }} as parts
    inner join {{ documents }} as documents
        on parts.account_id = documents.account_id
        and parts.extract_run_id = documents.extract_run_id
        and parts.change_seq = documents.change_seq
        and parts.{{ id }} = documents.{{ id }}
{%- endmacro %}


{#-
    The instant after which tests of tables by change read: some days before the newest extract, so that a night's tests
    cost what the night's changes cost. A full refresh tests everything.
-#}
{% macro checked_since() -%}
    {%- set found = none -%}
    {%- if execute and flags.WHICH in ['run', 'build', 'test'] and not flags.FULL_REFRESH -%}
        {%- set query -%}
            {#- The `t` keeps dbt from reading the text as an instant, which would change its digits. -#}
            select 't' || cast({{ hours_before('max(extracted_at)', 24 * var('checked_days')) }} as string) as since
            from {{ source('mdp_raw', 'raw__feeds') }}
            where true
                {{- and_known('extracted_at') }}
        {%- endset -%}
        {%- set found = run_query(query).rows[0][0] -%}
    {%- endif -%}
    timestamp '{{ found[1:] if found else '0001-01-01 00:00:00' }}'
{%- endmacro %}
