{#-
    The window of a run: the days from window_start up to window_end, which is not included. Days are in the ad
    account's time zone. in_window filters everything that a run reads or writes.
-#}

{#- `date` in the window, with literal days: only literals let BigQuery skip the partitions outside. -#}
{% macro in_window(column) -%}
    {%- set start = window_day('window_start') | trim -%}
    {%- set end = window_day('window_end') | trim -%}
    {#- The values exist, and are needed, only when dbt compiles SQL to run it. -#}
    {%- if execute and start >= end -%}
        {{ exceptions.raise_compiler_error(
            "An empty window: window_start " ~ start ~ " must be before window_end " ~ end ~ " (the first day outside)."
        ) }}
    {%- endif -%}
    ({{ column }} >= date '{{ start }}' and {{ column }} < date '{{ end }}')
{%- endmacro %}


{#-
    `date` in the window or in the daily run's days (from recent_start up to recent_end, which is not included; without
    these variables, only in the window). Used by warnings: a run over one old day must not hide the findings of the
    daily run.
-#}
{% macro in_recent_window(column) -%}
    (
        {{ in_window(column) }}
        {%- if var('recent_start', none) %}
        or ({{ column }} >= date '{{ window_day('recent_start') | trim }}' and {{ column }} < date '{{ window_day('recent_end') | trim }}')
        {%- endif %}
    )
{%- endmacro %}


{#- `date` in the four weeks up to the end of the daily run's days (without these variables, of the window). -#}
{% macro in_recent_weeks(column) -%}
    {%- set end = window_day('recent_end' if var('recent_end', none) else 'window_end') | trim -%}
    {%- set start = end -%}
    {%- if execute -%}
        {%- set start = (
            modules.datetime.datetime.strptime(end, '%Y-%m-%d') - modules.datetime.timedelta(days=28)
        ).strftime('%Y-%m-%d') -%}
    {%- endif -%}
    ({{ column }} >= date '{{ start }}' and {{ column }} < date '{{ end }}')
{%- endmacro %}


{#- The days of the window, each as a literal. -#}
{% macro days_in_window() -%}
    {%- set days = [] -%}
    {%- if execute -%}
        {%- do in_window('date') -%}
        {%- set parsed = modules.datetime.datetime.strptime -%}
        {%- set start = parsed(window_day('window_start') | trim, '%Y-%m-%d') -%}
        {%- set end = parsed(window_day('window_end') | trim, '%Y-%m-%d') -%}
        {%- for number in range((end - start).days) -%}
            {%- do days.append("date '" ~ (start + modules.datetime.timedelta(days=number)).strftime('%Y-%m-%d') ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(days) }}
{%- endmacro %}


{#- `date` in the window or on one of the `days` days before it, with literal days as well. -#}
{% macro in_window_or_before(column, days) -%}
    {%- set start = window_day('window_start') | trim -%}
    {%- if execute -%}
        {%- set start = (
            modules.datetime.datetime.strptime(start, '%Y-%m-%d') - modules.datetime.timedelta(days=days)
        ).strftime('%Y-%m-%d') -%}
    {%- endif -%}
    ({{ column }} >= date '{{ start }}' and {{ column }} < date '{{ window_day('window_end') | trim }}')
{%- endmacro %}


{% macro window_day(name) -%}
    {%- set day = var(name, none) | string -%}
    {%- if execute and not modules.re.match('^[0-9]{4}-[0-9]{2}-[0-9]{2}$', day) -%}
        {{ exceptions.raise_compiler_error(
            "The variable " ~ name ~ " must be a day like 2026-01-31, not '" ~ day ~ "'. Every run needs its window, "
            "the days from window_start up to, not including, window_end:\n"
            "  dbt build --vars '{window_start: 2026-01-01, window_end: 2026-02-01}'"
        ) }}
    {%- endif -%}
    {{ day }}
{%- endmacro %}
