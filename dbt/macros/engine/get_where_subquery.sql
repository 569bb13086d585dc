{#-
    dbt's own macro, with two placeholders more: a test whose `where` says __in_window__ reads the run's window only, one
    that says __in_recent_window__ the morning's days as well.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        {%- set filter = where
            | replace('__in_window__', in_window('date'))
            | replace('__in_recent_window__', in_recent_window('date')) -%}
        (select * from {{ relation }} where {{ filter }}) as in_window
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
