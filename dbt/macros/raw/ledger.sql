{#-
    The extract ledger's rule, and the only place that knows it: the rows of a day that count are those written under
    the effective_run_id of the newest pull of that day. Raw rows are append-only; older pulls, and pulls that were
    never committed, stay in the table and are not selected. A day restated to empty has no rows under its newest run.

    What a day held before is read by the same rule: its versions are the contents that its pulls found, one after the
    other.

    Both sides are filtered by literal days, so that BigQuery prunes both.
-#}

{#- The pulls of each account and day in the window. Everything here reads the ledger by way of it. -#}
{% macro day_pulls(platform, report) -%}
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


{#- The newest pull of each account and day in the window. -#}
{% macro current_extracts(platform, report) -%}
    {{ day_pulls(platform, report) }}
    qualify row_number() over (
        partition by account_id, date
        -- the newest pull wins, not the newest commit; the run id makes a tie come out the same every time
        order by extracted_at desc, extract_run_id desc
    ) = 1
{%- endmacro %}


{#- The raw rows that count, in the window. `pulled_at`: when the newest pull of their day began. -#}
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
    The pulls of each account and day in the window, each with its number `pull` of `pulls` in all, and whether it
    `begins_version`: whether it found another content than the pull before it. A pull that found what the one before
    had found begins none, whether it is `unchanged` or appended the same rows once more; one that finds an older
    content again does.

    Rows under the same effective run are the same content. Under different runs the digests say it; a ledger row
    without a digest (none that a pull writes) is then taken for another content.

    `days`: a relation of platform, account_id and date; only the pulls of those.
-#}
{% macro compared_pulls(platform, report, days=none) -%}
    select
        in_a_row.*,
        (
            pull = 1
            or (
                effective_run_id is distinct from effective_before
                and (content_digest is null or content_digest is distinct from digest_before)
            )
        ) as begins_version
    from (
        select
            pulls.*,
            row_number() over in_order as pull,
            lag(content_digest) over in_order as digest_before,
            lag(effective_run_id) over in_order as effective_before,
            count(*) over (partition by pulls.account_id, pulls.date) as pulls
        from (
            {{ day_pulls(platform, report) | indent(8) }}
        ) as pulls
        {%- if days %}
        inner join {{ days }} as days
            on days.platform = '{{ platform }}'
            and pulls.account_id = days.account_id
            and pulls.date = days.date
        {%- endif %}
        window in_order as (partition by pulls.account_id, pulls.date order by extracted_at, extract_run_id)
    ) as in_a_row
{%- endmacro %}


{#-
    The contents of each account and day in the window, in the order in which they were seen: `version` 1, 2, …, and
    `extracted_at`, when the pull that saw it first began.

    `restated_only`: only days that have more than one version. `days`: only these (compared_pulls).
-#}
{% macro day_versions(platform, report, restated_only=false, days=none) -%}
    select
        account_id,
        date,
        row_number() over (partition by account_id, date order by pull) as version,
        effective_run_id,
        extracted_at,
        row_count
    from (
        {{ compared_pulls(platform, report, days) | indent(4) }}
    ) as compared
    where begins_version
    {%- if restated_only %}
    qualify count(*) over (partition by account_id, date) > 1
    {%- endif %}
{%- endmacro %}


{#- The versions of a report's days on every platform. `extract_run_id`: the pull under which the version's rows stand. -#}
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
    How a report's days stand, on every platform, one row for each account and day that was ever pulled. `pulled_at`:
    its newest pull; `extract_run_id`, `row_count`: what counts by that one. `seen_at`: since when its content is what it
    is; `versions`: how many there have been.
-#}
{% macro days_of_all_platforms(report) -%}
    {%- for platform in var('ad_platforms') %}
    select
        '{{ platform }}' as platform,
        account_id,
        date,
        max(case when pull = pulls then effective_run_id end) as extract_run_id,
        max(case when pull = pulls then row_count end) as row_count,
        max(extracted_at) as pulled_at,
        max(case when begins_version then extracted_at end) as seen_at,
        sum(case when begins_version then 1 else 0 end) as versions
    from (
        {{ compared_pulls(platform, report) | indent(4) }}
    ) as compared
    group by account_id, date
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#-
    The raw rows that stand under the pulls of `runs`, a relation with platform, account_id, date and extract_run_id;
    each with the `columns` of `runs`. A pull without rows has none here: who needs it takes it from `runs`.
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


{#- How many of a report's rows each pull of the window rejected, by account and day. -#}
{% macro rejected_rows(report) -%}
    select
        source as platform,
        account_id,
        date,
        extract_run_id,
        count(*) as row_count
    from {{ source('mdp_raw', 'raw__rejects') }}
    where source in ('{{ var('ad_platforms') | join("', '") }}')
        and report = '{{ report }}'
        and {{ in_window('date') }}
    group by source, account_id, date, extract_run_id
{%- endmacro %}
