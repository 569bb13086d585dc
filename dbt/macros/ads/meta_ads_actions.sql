{#-
    Meta's `actions` and `action_values`: JSON lists in which one purchase stands under several action types. One type
    is chosen per row, and counts and values are read under it.

    parse_actions, has_action_type and action_total are the part that engines spell differently.
-#}

{#-
    The type that a row is counted by: the account's own, if one is configured; else the first of the variable
    conversion_action_types among the row's actions, else among its values (a value can arrive without its count).
-#}
{% macro chosen_action_type(configured, actions, action_values) -%}
    coalesce(
        {{ configured }},
        {{ _first_action_type(actions) }},
        {{ _first_action_type(action_values) }}
    )
{%- endmacro %}

{% macro _first_action_type(actions) -%}
    case
            {%- for action_type in var('conversion_action_types') %}
            when {{ has_action_type(actions, "'" ~ action_type ~ "'") }} then '{{ action_type }}'
            {%- endfor %}
        end
{%- endmacro %}


{#-
    The total under the chosen type. 0 if the platform left the list or the type out: that is how it says none.
    Null if the list or an entry of the type can't be read.
-#}
{% macro total_of_chosen_type(json_text, actions) -%}
    case
        when {{ json_text }} is not null and {{ actions }} is null then null
        when {{ has_action_type(actions, 'conversion_action_type') }} then {{ action_total(actions, 'conversion_action_type') }}
        else 0
    end
{%- endmacro %}


{#- A list of (action_type, value) out of JSON text; null if the text is not a JSON list. -#}
{% macro parse_actions(json_text) -%}
    {{ adapter.dispatch('parse_actions', 'mdp')(json_text) }}
{%- endmacro %}

{% macro duckdb__parse_actions(json_text) -%}
    from_json(try_cast({{ json_text }} as json), '[{"action_type": "VARCHAR", "value": "VARCHAR"}]')
{%- endmacro %}

{#- The list is asked for twice: an engine may look into the text of all rows before it looks which ones are meant. -#}
{% macro bigquery__parse_actions(json_text) -%}
    {%- set is_list = "json_type(safe.parse_json(" ~ json_text ~ ", wide_number_mode => 'round')) = 'array'" -%}
    case
        when {{ is_list }} then array(
            select as struct
                json_value(entry, '$.action_type') as action_type,
                json_value(entry, '$.value') as value
            from unnest(json_query_array(case when {{ is_list }} then {{ json_text }} end)) as entry
        )
    end
{%- endmacro %}


{% macro has_action_type(actions, action_type) -%}
    {{ adapter.dispatch('has_action_type', 'mdp')(actions, action_type) }}
{%- endmacro %}

{% macro duckdb__has_action_type(actions, action_type) -%}
    len(list_filter({{ actions }}, lambda entry: entry.action_type = {{ action_type }})) > 0
{%- endmacro %}

{% macro bigquery__has_action_type(actions, action_type) -%}
    exists(select 1 from unnest({{ actions }}) as entry where entry.action_type = {{ action_type }})
{%- endmacro %}


{#-
    The sum over the entries of one type. A type stands twice only when a breakdown splits it, and then its entries
    are parts of one total. Null if one of them is not a number: the rest alone would be a wrong total.
-#}
{% macro action_total(actions, action_type) -%}
    {{ adapter.dispatch('action_total', 'mdp')(actions, action_type) }}
{%- endmacro %}

{% macro duckdb__action_total(actions, action_type) -%}
    {%- set amounts -%}
        list_transform(
            list_filter({{ actions }}, lambda entry: entry.action_type = {{ action_type }}),
            lambda entry: {{ text_to_numeric('entry.value') }}
        )
    {%- endset -%}
    case when list_count({{ amounts }}) = len({{ amounts }}) then list_sum({{ amounts }}) end
{%- endmacro %}

{% macro bigquery__action_total(actions, action_type) -%}
    (
        select case when count({{ text_to_numeric('entry.value') }}) = count(*) then sum({{ text_to_numeric('entry.value') }}) end
        from unnest({{ actions }}) as entry
        where entry.action_type = {{ action_type }}
    )
{%- endmacro %}
