{#- The comment in front of each statement, as JSON. BigQuery's jobs have it as labels. -#}
{% macro job_labels(node) -%}
    {%- set labels = {'mdp': node.name} if node else {} -%}
    {%- do labels.update(fromjson(env_var('MDP_DBT_LABELS', '{}'))) -%}
    {{ return(tojson(labels)) }}
{%- endmacro %}
