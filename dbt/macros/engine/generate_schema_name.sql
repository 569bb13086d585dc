{#-
    The names of the schemas are in dbt_project.yml, the same for every user: BI tools, checks and exports read them by
    name. A build as of an instant (macros/raw/as_of.sql) has its own schemas: mdp_marts_<as_of_schema>.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = custom_schema_name or target.schema -%}
    {%- set as_of_schema = var('as_of_schema', none) -%}
    {%- if as_of_schema and not modules.re.match('^[a-z0-9_]+$', as_of_schema | string) -%}
        {{ exceptions.raise_compiler_error(
            "The variable as_of_schema must be small letters, digits and underscores, not '" ~ as_of_schema ~ "'."
        ) }}
    {%- endif -%}
    {{ schema ~ '_' ~ as_of_schema if as_of_schema else schema }}
{%- endmacro %}
