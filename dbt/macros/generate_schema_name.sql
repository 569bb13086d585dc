{#- The schemas are named in dbt_project.yml and are the same for everyone: BI, checks and exports read them by name. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
