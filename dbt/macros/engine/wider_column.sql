{#-
    A statement for a model's pre-hook: changes the type of a column from NUMERIC to double, in a table that was created
    with the narrower type. Empty if there is nothing to change. on_schema_change does not change types.
-#}
{% macro as_double(column) -%}
    {%- set existing = load_relation(this) if execute else none -%}
    {%- if existing is not none -%}
        {%- for found in adapter.get_columns_in_relation(existing)
            if found.name == column and found.dtype | lower | truncate(7, true, '', 0) in ['numeric', 'decimal'] -%}
            alter table {{ this }} alter column {{ column }} set data type {{ double_type() }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
