{#- What stands before each statement, as JSON; on BigQuery its jobs have it as labels. -#}
{% macro job_labels(node) -%}
    {%- set labels = {'mdp': node.name} if node else {} -%}
    {%- do labels.update(fromjson(env_var('MDP_DBT_LABELS', '{}'))) -%}
    {{ return(tojson(labels)) }}
{%- endmacro %}
