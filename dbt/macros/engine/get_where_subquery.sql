{#-
    dbt's own macro with four more placeholders. With __in_window__ in its `where`, a test reads only the run's window.
    With __in_recent_window__, it also reads the days of the daily run. With __in_recent_weeks__, it reads the four weeks
    up to the end of the daily run's days, for every window. With __changed_lately__, it reads the rows of a table by
    change that recent extracts touched.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where') or '' -%}
    {%- if '__changed_lately__' in where -%}
        {%- set filter = where | replace('__changed_lately__', 'extracted_at > ' ~ checked_since()) -%}
        (select * from {{ relation }} where {{ filter }}) as changed_lately
    {%- elif where -%}
        {%- set filter = where
            | replace('__in_window__', in_window('date'))
            | replace('__in_recent_window__', in_recent_window('date'))
            | replace('__in_recent_weeks__', in_recent_weeks('date')) -%}
        (select * from {{ relation }} where {{ filter }}) as in_window
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
