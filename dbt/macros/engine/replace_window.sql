{#-
    The incremental strategy on DuckDB: delete the window's days, then insert the selected rows. dbt runs both
    statements in one transaction, so a reader sees the days either before or after. In contrast to a merge or a
    delete+insert by key, this also removes rows that no longer exist: a day restated to empty is empty afterwards.
-#}
{% macro get_incremental_replace_window_sql(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}

    delete from {{ arg_dict['target_relation'] }}
    where {{ in_window('date') }};

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
{% endmacro %}
