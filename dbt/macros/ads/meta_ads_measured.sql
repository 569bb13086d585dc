{#-
    Selects the names, measures and provenance that all of Meta's reports have, from the rows of `relation`, converted
    from text. A missing or unreadable value is null. Conversions and their value are counted under one action type per
    row. `columns`: the columns that only this report has, unconverted.
-#}
{% macro meta_ads_measured(relation, columns=[]) -%}
    with

    accounts as (

        {{ accounts_by_day(['meta_ads']) | indent(4) }}

    ),

    renamed as (

        select
            date,
            account_id,
            {%- for column in columns %}
            {{ column }},
            {%- endfor %}

            -- names and settings
            account_name,
            nullif(account_currency, '') as currency,
            timezone_name as time_zone,

            -- measures
            {{ text_to_integer('impressions') }} as impressions,
            {{ text_to_integer('clicks') }} as clicks,
            {{ text_to_numeric('spend') }} as spend,
            {{ text_to_integer('reach') }} as reach,
            -- Meta leaves out zeros
            case when inline_link_clicks is null then 0 else {{ text_to_integer('inline_link_clicks') }} end as inline_link_clicks,
            {{ is_invalid_side_value('reach', text_to_integer('reach')) }} as is_invalid_reach,
            {{ is_invalid_side_value('inline_link_clicks', text_to_integer('inline_link_clicks')) }} as is_invalid_inline_link_clicks,

            -- conversions, not yet chosen
            actions as actions_text,
            action_values as action_values_text,
            {{ parse_actions('actions') | indent(8) }} as actions,
            {{ parse_actions('action_values') | indent(8) }} as action_values,

            -- provenance
            extract_run_id,
            ingested_at
        from {{ relation }}

    ),

    chosen as (

        select
            renamed.*,
            {{ chosen_action_type(
                configured="nullif(accounts.conversion_action_type, '')",
                actions='renamed.actions',
                action_values='renamed.action_values'
            ) | indent(8) }} as conversion_action_type
        from renamed
        left join accounts
            on renamed.account_id = accounts.account_id
            and {{ valid_on('renamed.date') | indent(12) }}

    ),

    counted as (

        select
            *,
            {{ total_of_chosen_type('actions_text', 'actions') | indent(8) }} as conversions,
            {{ total_of_chosen_type('action_values_text', 'action_values') | indent(8) }} as conversion_value,
            {{ meta_conversion_dating('date', 'conversion_action_type') | indent(8) }} as conversion_dating
        from chosen

    )

    select
        *,
        inline_link_clicks as link_clicks,
        case when conversion_dating = 'conversion' then conversions end as conversions_by_conversion_date,
        case when conversion_dating = 'conversion' then conversion_value end as conversion_value_by_conversion_date
    from counted
{%- endmacro %}


{#- The raw columns that meta_ads_measured reads, with their types. -#}
{% macro meta_ads_raw_columns() -%}
    {%- set columns = {} -%}
    {%- for column in [
        'account_name', 'account_currency', 'timezone_name', 'impressions', 'clicks', 'spend', 'reach',
        'inline_link_clicks', 'actions', 'action_values',
    ] -%}
        {%- do columns.update({column: 'string'}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
