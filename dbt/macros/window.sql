{#-
    The window of a run: the days from window_start up to, not including, window_end. Days are days in the ad
    account's time zone. Everything that a run reads or writes is filtered by in_window.
-#}

{#- `date` in the window, with literal days: only literals let BigQuery skip the partitions outside. -#}
{% macro in_window(column) -%}
    {%- set start = window_day('window_start') | trim -%}
    {%- set end = window_day('window_end') | trim -%}
    {#- The values are only known, and only needed, when SQL is compiled to run. -#}
    {%- if execute and start >= end -%}
        {{ exceptions.raise_compiler_error(
            "An empty window: window_start " ~ start ~ " must be before window_end " ~ end ~ " (the first day outside)."
        ) }}
    {%- endif -%}
    ({{ column }} >= date '{{ start }}' and {{ column }} < date '{{ end }}')
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
