{#-
    Writes a model's window on BigQuery, instead of dbt-bigquery's incremental materialization. One MERGE deletes the
    window's days and inserts the selected rows, or does neither. The days are literals, so BigQuery reads and bills
    only their partitions. A day without rows is one of them, and is empty afterwards.

    The differences from dbt-bigquery:
    - The rows don't go through a temporary table. Two machines can't overwrite it, a killed process can't leave it
      behind, and nobody pays for writing and reading it.
    - A missing table is created empty. A table is never replaced, so no process can drop the days of an existing table.
    - The list of days isn't a config: dbt reads a config when it parses the project, once for all windows.
    - A run writes descriptions to the table only when it creates the table or adds a column.
-#}
{% materialization incremental, adapter='bigquery' -%}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set existing = load_relation(this) -%}
    {#- The described columns. They are all columns: a test checks it. -#}
    {%- set columns = model.columns.values() | list -%}

    {{ run_hooks(pre_hooks) }}

    {%- if config.get('contract').enforced -%}
        {#- Compares names and types; its query reads nothing. -#}
        {%- do get_assert_columns_equivalent(sql) -%}
    {%- endif -%}

    {%- if existing is none -%}
        {%- call statement('create') -%}
            {{ create_empty_table(relation, sql, columns) }}
        {%- endcall -%}
        {%- do persist_docs(relation, model, for_relation=false) -%}
    {%- else -%}
        {%- set there = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
        {%- if columns | map(attribute='name') | reject('in', there) | list -%}
            {%- do add_columns(relation, sql, there) -%}
            {%- do persist_docs(relation, model, for_relation=false) -%}
        {%- endif -%}
    {%- endif -%}

    {%- call statement('main') -%}
        {{ overwrite_days(relation, sql, columns) }}
    {%- endcall -%}

    {{ run_hooks(post_hooks) }}
    {%- do apply_grants(relation, config.get('grants'), should_revoke(existing, false)) -%}
    {{ return({'relations': [relation]}) }}
{%- endmaterialization %}


{#-
    With partitions, clusters and options. The types are the contract's, otherwise the query's. No rows, so it is free.
-#}
{% macro create_empty_table(relation, sql, columns) -%}
    create table if not exists {{ relation }}
    {% if config.get('contract').enforced %}{{ get_table_columns_and_constraints() }}{% endif %}
    {{ partition_by(adapter.parse_partition_by(config.get('partition_by'))) }}
    {{ cluster_by(config.get('cluster_by')) }}
    {{ bigquery_table_options(config, model, false) }}
    as (
        select {{ get_quoted_csv(columns | map(attribute='name')) }}
        from (
            {{ sql }}
        ) as written
        where false
    )
{%- endmacro %}


{#- on_schema_change: append_new_columns adds the columns that only the query has. They are null in old rows. -#}
{% macro add_columns(relation, sql, there) -%}
    {%- set new = [] -%}
    {%- for column in adapter.get_column_schema_from_query(get_empty_subquery_sql(sql)) if column.name not in there -%}
        {%- do new.append(column) -%}
    {%- endfor -%}
    {%- do adapter.alter_table_add_columns(relation, new) -%}
{%- endmacro %}


{% macro overwrite_days(relation, sql, columns) -%}
    {%- set days = ['DBT_INTERNAL_DEST.date in (' ~ days_in_window() | join(', ') ~ ')'] -%}
    {{ get_insert_overwrite_merge_sql(relation, '(\n' ~ sql ~ '\n)', columns, days) }}
{%- endmacro %}
