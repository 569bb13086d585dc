{#-
    How a model's window is written on BigQuery, in place of dbt-bigquery's own incremental materialization: one MERGE
    deletes the window's days and inserts what was selected, or does neither. The days are literals, so BigQuery reads and
    bills their partitions and no others; a day without rows is among them, and is empty afterwards.

    What dbt-bigquery does, and this doesn't:
    - The rows don't go through a table beside. There is nothing that two machines could overwrite, that a killed process
      would leave, or that is written and read for money.
    - A table is created empty, if it is missing, and never replaced. Whoever believes it is missing can't drop its days.
    - The list of days isn't a config: that would be read when the project is parsed, once for all windows.
    - Descriptions are written to the table when it is made or widened, not by every run.
-#}
{% materialization incremental, adapter='bigquery' -%}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set existing = load_relation(this) -%}
    {#- Those described, which are those there are: a test says so. -#}
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


{#- With partitions, clusters, options, and the types of the contract, else of the query; no rows, so it costs nothing. -#}
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


{#- on_schema_change, append_new_columns: what the query has and the table hasn't; old rows have null. -#}
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
