{#-
    Meta's `actions` and `action_values` are JSON lists in which one purchase has several action types. Each row counts
    one of the types, for both the number and the value of its conversions.

    parse_actions, has_action_type and action_total have a version for each engine.
-#}

{#-
    The type that a row counts: the account's own, if one is configured. Otherwise the first of the variable
    conversion_action_types in the row's actions, or else in its values (a value can arrive without its count).
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
    The total of the chosen type. 0 if the platform left out the list or the type, which means that there is none.
    Null if the list or an entry of the type can't be read.
-#}
{% macro total_of_chosen_type(json_text, actions) -%}
    case
        when {{ json_text }} is not null and {{ actions }} is null then null
        when {{ has_action_type(actions, 'conversion_action_type') }} then {{ action_total(actions, 'conversion_action_type') }}
        else 0
    end
{%- endmacro %}


{#-
    The day on which Meta counts a row's conversions. Since 2025-06-10 Meta ignores the request's settings: actions
    outside of Meta (purchases, leads of a website) count on the day of the conversion, actions on Meta on the day of
    the impression. The type `lead` has both. For earlier days Meta does not document which day its answers use: null.
    Source: developers.facebook.com/docs/marketing-api/insights/best-practices.
-#}
{% macro meta_conversion_dating(day, action_type) -%}
    case
        when {{ day }} < date '2025-06-10' then null
        when {{ matches(action_type, '^(onsite_conversion[.].*|(link|outbound)_click|(post|page)_engagement|video_view)$') }} then 'impression'
        else 'conversion'
    end
{%- endmacro %}


{#- A list of (action_type, value) out of JSON text; null if the text is not a JSON list. -#}
{% macro parse_actions(json_text) -%}
    {{ adapter.dispatch('parse_actions', 'mdp')(json_text) }}
{%- endmacro %}

{% macro duckdb__parse_actions(json_text) -%}
    from_json(try_cast({{ json_text }} as json), '[{"action_type": "VARCHAR", "value": "VARCHAR"}]')
{%- endmacro %}

{#- The condition is repeated, because an engine may parse the text of all rows before it filters them. -#}
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


{#- A list of (action_type, value) as rows named `entry`, for a cross join. -#}
{% macro unnested(actions, entry) -%}
    {{ adapter.dispatch('unnested', 'mdp')(actions, entry) }}
{%- endmacro %}

{% macro duckdb__unnested(actions, entry) -%}
    unnest({{ actions }}) as unnested ({{ entry }})
{%- endmacro %}

{% macro bigquery__unnested(actions, entry) -%}
    unnest({{ actions }}) as {{ entry }}
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
    The sum over the entries of one type. A type has several entries only if a breakdown splits it: then they are parts
    of one total. Null if one of them is not a number, because the sum of the others would be wrong.
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
