{#-
    The incremental strategy on DuckDB: clear the window, insert what was selected. dbt runs both statements in one
    transaction, so a reader sees the days before or after, never between. Unlike a merge or delete+insert by key this
    also removes rows that are no longer there: a day restated to empty is empty afterwards.
-#}
{% macro get_incremental_replace_window_sql(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}

    delete from {{ arg_dict['target_relation'] }}
    where {{ in_window('date') }};

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
{% endmacro %}
