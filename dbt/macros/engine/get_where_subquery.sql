{#-
    dbt's own macro with two more placeholders. With __in_window__ in its `where`, a test reads only the run's window.
    With __in_recent_window__, it also reads the days of the daily run.
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
