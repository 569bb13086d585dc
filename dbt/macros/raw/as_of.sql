{#-
    Reading the past. With the variable as_of, an instant in UTC, a build knows what had been pulled by then and nothing
    later. It writes to schemas of its own, named by as_of_schema (macros/engine/generate_schema_name.sql); both variables
    are given when the project is parsed, as the schemas are settled there.
-#}

{#- A further condition of a `where`: the row was there at as_of. Nothing without as_of. -#}
{% macro and_known(column) -%}
    {%- set moment = as_of_moment() | trim -%}
    {%- if moment %}
        and {{ column }} <= timestamp '{{ moment }}'
    {%- endif -%}
{%- endmacro %}


{#- The variable as_of, checked; empty without it. -#}
{% macro as_of_moment() -%}
    {%- if var('as_of', none) is not none -%}
        {%- set moment = var('as_of') | string -%}
        {%- if execute and not modules.re.match(
            '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?$', moment
        ) -%}
            {{ exceptions.raise_compiler_error(
                "The variable as_of must be an instant in UTC like 2026-11-01 06:00:00, not '" ~ moment ~ "'."
            ) }}
        {%- endif -%}
        {#- The past must never be written over the present. -#}
        {%- if execute and model.resource_type == 'model' and not model.schema.endswith('_' ~ var('as_of_schema', '')) -%}
            {{ exceptions.raise_compiler_error(
                "A build as of " ~ moment ~ " would write to " ~ model.schema ~ ", which holds the present. Give it "
                "schemas of its own, and parse the project with both variables:\n"
                "  dbt build --vars '{as_of: 2026-11-01 06:00:00, as_of_schema: as_of_20261101t060000z, …}'"
            ) }}
        {%- endif -%}
        {{ moment }}
    {%- endif -%}
{%- endmacro %}
