{#-
    Creates a missing dataset on BigQuery, in the location of the settings (a dataset can't be moved later) and with
    their labels and expirations. An existing dataset stays as it is.
-#}
{% macro bigquery__create_schema(relation) -%}
    {%- set expiration = env_var('MDP_DBT_PARTITION_EXPIRATION_DAYS', '') -%}
    {%- set labels = [] -%}
    {%- for label in fromjson(env_var('MDP_DBT_LABELS', '{}')).items() -%}
        {%- do labels.append("('" ~ label[0] ~ "', '" ~ label[1] ~ "')") -%}
    {%- endfor -%}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation.without_identifier() }}
        options (
            location = '{{ target.location }}'
            {%- if labels %},
            labels = [{{ labels | join(', ') }}]
            {%- endif %}
            {%- if expiration %},
            default_partition_expiration_days = {{ expiration }}
            {%- endif %}
        )
    {%- endcall -%}
{%- endmacro %}
