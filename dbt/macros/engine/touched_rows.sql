{#-
    Writes a table by what changed. A model has groups of rows, such as the rows of a day. One transaction deletes the
    groups that changes touched, and inserts their rows as they are now; a reader sees the rows either before or after.
    A group without rows is empty afterwards.

    The model's `meta`:
    - `touched`: the name of the macro that returns the SQL of the touched groups, by the columns of the group. The
      macro finds what is newer than the table itself (`this`), so a run that was killed is repeated by the next one.
    - `group_columns`: the columns of a group. They are never null.

    The model joins `only_touched()`. A missing table, a table with other columns and a full refresh are built whole.
-#}
{% materialization touched_rows, supported_languages=['sql'] -%}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set existing = load_relation(this) -%}

    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}

    {%- if writes_touched_rows() -%}
        {#- The table has the contract's types since it was made, and the model's columns. -#}
        {%- call statement('main') -%}
            {{ replace_touched_rows(relation, sql) }}
        {%- endcall -%}
    {%- else -%}
        {%- if existing is not none and existing.type != 'table' -%}
            {%- do adapter.drop_relation(existing) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ create_whole_table(relation, sql) }}
        {%- endcall -%}
        {%- do persist_docs(relation, model) -%}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {%- do apply_grants(relation, config.get('grants'), should_revoke(existing, false)) -%}
    {{ return({'relations': [relation]}) }}
{%- endmaterialization %}


{#-
    True in a run if the model's table exists and has the model's columns. Then only touched groups are written. Compiled
    SQL builds the whole table, because compiling sends no statement.
-#}
{% macro writes_touched_rows() -%}
    {%- if not execute or flags.WHICH not in ['run', 'build'] or model.resource_type != 'model' or flags.FULL_REFRESH -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set existing = load_relation(this) -%}
    {%- if existing is none or existing.type != 'table' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set there = adapter.get_columns_in_relation(existing) | map(attribute='name') | list -%}
    {{ return(there == model.columns.keys() | list) }}
{%- endmacro %}


{#- A join that leaves the touched groups of `rows`. Empty if the table is built whole. -#}
{% macro only_touched(rows, columns) -%}
    {%- if writes_touched_rows() %}
    inner join {{ touched_groups() }} as touched_groups
        on {% for column in columns %}{{ 'and ' if not loop.first }}{{ rows }}.{{ column }} = touched_groups.{{ column }} {% endfor %}
    {%- endif -%}
{%- endmacro %}


{#- The temporary table of the touched groups, which replace_touched_rows makes. -#}
{% macro touched_groups() -%}
    touched_groups_of_{{ model.name }}
{%- endmacro %}


{% macro replace_touched_rows(relation, sql) -%}
    {{ adapter.dispatch('replace_touched_rows', 'mdp')(relation, sql) }}
{%- endmacro %}

{#- dbt has begun a transaction. -#}
{% macro duckdb__replace_touched_rows(relation, sql) -%}
    create or replace temporary table {{ touched_groups() }} as (
        {{ context[config.get('meta').touched]() }}
    );
    {{ delete_and_insert(relation, sql) }}
    drop table {{ touched_groups() }};
{%- endmacro %}

{% macro bigquery__replace_touched_rows(relation, sql) -%}
    create temp table {{ touched_groups() }} as (
        {{ context[config.get('meta').touched]() }}
    );
    begin transaction;
    {{ delete_and_insert(relation, sql) }}
    commit transaction;
{%- endmacro %}

{% macro delete_and_insert(relation, sql) -%}
    {%- set columns = model.columns.keys() | join(', ') -%}
    delete from {{ relation }} as written
    where exists (
        select 1
        from {{ touched_groups() }} as touched_groups
        where {% for column in config.get('meta').group_columns %}{{ 'and ' if not loop.first }}touched_groups.{{ column }} = written.{{ column }} {% endfor %}
    );
    insert into {{ relation }} ({{ columns }})
    select {{ columns }}
    from (
        {{ sql }}
    ) as rows_now;
{%- endmacro %}


{#- Replaces the table, or makes it. -#}
{% macro create_whole_table(relation, sql) -%}
    {{ adapter.dispatch('create_whole_table', 'mdp')(relation, sql) }}
{%- endmacro %}

{% macro duckdb__create_whole_table(relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {%- do get_assert_columns_equivalent(sql) -%}
    {%- endif -%}
    {#- In the order of the cluster columns: DuckDB then skips blocks of rows, as BigQuery does. -#}
    create or replace table {{ relation }} as (
        select *
        from (
            {{ sql }}
        ) as whole
        order by {{ config.get('cluster_by') | join(', ') }}
    );
{%- endmacro %}

{% macro bigquery__create_whole_table(relation, sql) -%}
    {{ get_create_table_as_sql(false, relation, sql) }}
{%- endmacro %}
