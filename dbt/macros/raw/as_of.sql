{#-
    Builds as of a past instant. With the variable as_of, an instant in UTC, a build reads only the extracts that had
    begun by then. It writes to its own schemas, named by as_of_schema (macros/engine/generate_schema_name.sql). Both
    variables are set when dbt parses the project, because parsing fixes the schemas.
-#}

{#- One more condition for a `where`: the row existed at as_of. Empty without as_of. -#}
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
        {#- A build as of the past must never overwrite the current tables. -#}
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
