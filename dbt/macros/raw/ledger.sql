{#-
    The ledger's rule, which no other SQL file contains: a day's current rows are those with the effective_run_id of the
    day's newest extract. Raw is append-only. The rows of older extracts, and of extracts that were never committed,
    stay in the table and are not selected. A day restated to empty has no rows under its newest run.

    The same rule gives a day's earlier contents: its versions are the contents that its extracts found, in order.

    Both tables are filtered by literal days, so that BigQuery reads only these partitions of both.
-#}

{#- The extracts of each account and day in the window. All macros here read the ledger through this one. -#}
{% macro day_extracts(platform, report) -%}
    select
        account_id,
        date,
        extract_run_id,
        extracted_at,
        row_count,
        content_digest,
        effective_run_id
    from {{ source('mdp_raw', 'raw__extracts') }}
    where source = '{{ platform }}'
        and report = '{{ report }}'
        and {{ in_window('date') }}
        {{- and_known('extracted_at') }}
{%- endmacro %}


{#- The newest extract of each account and day in the window. -#}
{% macro current_extracts(platform, report) -%}
    {{ day_extracts(platform, report) }}
    qualify row_number() over (
        partition by account_id, date
        -- the newest extract wins, not the newest commit; the run id decides a tie in the same way every time
        order by extracted_at desc, extract_run_id desc
    ) = 1
{%- endmacro %}


{#- The current raw rows in the window. `pulled_at`: when the newest extract of their day began. -#}
{% macro current_rows(platform, report) -%}
    select
        raw_rows.*,
        extracts.extracted_at as pulled_at
    from {{ source('mdp_raw', 'raw_' ~ platform ~ '__' ~ report) }} as raw_rows
    inner join (
        {{ current_extracts(platform, report) | indent(4) }}
    ) as extracts
        on raw_rows.account_id = extracts.account_id
        and raw_rows.date = extracts.date
        and raw_rows.extract_run_id = extracts.effective_run_id
    where {{ in_window('raw_rows.date') }}
{%- endmacro %}


{#-
    The extracts of each account and day in the window. The columns in addition to the ledger's:

    - `extract_number`: 1 for the first extract of the day, 2 for the next.
    - `extract_count`: the number of the day's extracts.
    - `begins_version`: true if the content differs from that of the extract before. It is false if the extract is
      `unchanged`, or appended the same rows again. It is true if an older content returns.

    Rows under the same effective run have the same content. For different runs, the digests are compared. A ledger row
    without a digest (no extract writes one) counts as a different content.

    `days`: a relation with platform, account_id and date; only the extracts of these days are returned.
-#}
{% macro compared_extracts(platform, report, days=none) -%}
    select
        in_a_row.*,
        (
            extract_number = 1
            or (
                effective_run_id is distinct from effective_before
                and (content_digest is null or content_digest is distinct from digest_before)
            )
        ) as begins_version
    from (
        select
            extracts.*,
            row_number() over in_order as extract_number,
            lag(content_digest) over in_order as digest_before,
            lag(effective_run_id) over in_order as effective_before,
            count(*) over (partition by extracts.account_id, extracts.date) as extract_count
        from (
            {{ day_extracts(platform, report) | indent(8) }}
        ) as extracts
        {%- if days %}
        inner join {{ days }} as days
            on days.platform = '{{ platform }}'
            and extracts.account_id = days.account_id
            and extracts.date = days.date
        {%- endif %}
        window in_order as (partition by extracts.account_id, extracts.date order by extracted_at, extract_run_id)
    ) as in_a_row
{%- endmacro %}


{#-
    The contents of each account and day in the window, in the order in which MDP saw them: `version` 1, 2, …, and
    `extracted_at`, the start of the extract that saw the content first.

    `restated_only`: only days that have more than one version. `days`: only these (compared_extracts).
-#}
{% macro day_versions(platform, report, restated_only=false, days=none) -%}
    select
        account_id,
        date,
        row_number() over (partition by account_id, date order by extract_number) as version,
        effective_run_id,
        extracted_at,
        row_count
    from (
        {{ compared_extracts(platform, report, days) | indent(4) }}
    ) as compared
    where begins_version
    {%- if restated_only %}
    qualify count(*) over (partition by account_id, date) > 1
    {%- endif %}
{%- endmacro %}


{#- The versions of a report's days on every platform. `extract_run_id`: the extract that wrote the version's rows. -#}
{% macro versions_of_all_platforms(report, restated_only=false, days=none) -%}
    {%- for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        version,
        effective_run_id as extract_run_id,
        extracted_at as seen_at
    from (
        {{ day_versions(platform, report, restated_only, days) | indent(4) }}
    ) as versions
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#-
    The state of a report's days on every platform: one row for each account and day that was ever extracted.
    `pulled_at`: the start of its newest extract. `extract_run_id`, `row_count`: its current rows. `seen_at`: when MDP
    first saw the current content. `versions`: the number of its versions.
-#}
{% macro days_of_all_platforms(report) -%}
    {%- for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        max(case when extract_number = extract_count then effective_run_id end) as extract_run_id,
        max(case when extract_number = extract_count then row_count end) as row_count,
        max(extracted_at) as pulled_at,
        max(case when begins_version then extracted_at end) as seen_at,
        sum(case when begins_version then 1 else 0 end) as versions
    from (
        {{ compared_extracts(platform, report) | indent(4) }}
    ) as compared
    group by account_id, date
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#-
    The raw rows of the extracts in `runs`, a relation with platform, account_id, date and extract_run_id. Each row also
    has the `columns` of `runs`. An extract without rows has no row here; it is only in `runs`.
-#}
{% macro rows_under(platform, report, runs, columns=[]) -%}
    select
        raw_rows.*
        {%- for column in columns %},
        runs.{{ column }}
        {%- endfor %}
    from {{ source('mdp_raw', 'raw_' ~ platform ~ '__' ~ report) }} as raw_rows
    inner join {{ runs }} as runs
        on runs.platform = '{{ platform }}'
        and raw_rows.account_id = runs.account_id
        and raw_rows.date = runs.date
        and raw_rows.extract_run_id = runs.extract_run_id
    where {{ in_window('raw_rows.date') }}
{%- endmacro %}


{#-
    The newest extract of each day of a report that had begun before those in `others`, a relation with platform,
    account_id, date and pulled_at. `seen_at`: when it began. `extract_run_id`: the extract that wrote its rows.
-#}
{% macro extracts_before(report, others) -%}
    {%- for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        extracts.account_id,
        extracts.date,
        1 as version,
        extracts.effective_run_id as extract_run_id,
        extracts.extracted_at as seen_at
    from (
        {{ day_extracts(platform, report) | indent(8) }}
    ) as extracts
    inner join {{ others }} as others
        on others.platform = '{{ platform }}'
        and extracts.account_id = others.account_id
        and extracts.date = others.date
    where extracts.extracted_at <= others.pulled_at
    qualify row_number() over (
        partition by extracts.account_id, extracts.date
        order by extracts.extracted_at desc, extracts.extract_run_id desc
    ) = 1
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#-
    The rows of a report that the window's extracts rejected, converted like the current rows: by the platform's
    <platform>_measured. Unreadable values are null.
-#}
{% macro measured_rejects(platform, report) -%}
    with

    payloads as (

        select
            date,
            account_id,
            {%- for column, type in context[platform ~ '_raw_columns']().items() %}
            {{ safe_cast_as(json_text('payload', column), type) }} as {{ column }},
            {%- endfor %}
            extract_run_id,
            ingested_at
        from {{ source('mdp_raw', 'raw__rejects') }}
        where source = '{{ platform }}'
            and report = '{{ report }}'
            and {{ in_window('date') }}

    ),

    measured as (

        {{ context[platform ~ '_measured']('payloads') | indent(8) }}

    )

    select *
    from measured
{%- endmacro %}
