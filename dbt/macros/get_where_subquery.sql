{#- dbt's own macro, with one placeholder more: a test whose `where` says __in_window__ reads the run's window only. -#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where | replace('__in_window__', in_window('date')) }}) as in_window
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
