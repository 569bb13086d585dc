{#-
    Selects the names, measures and provenance that all of Google's reports have, from the rows of `relation`,
    converted. A missing or unreadable value is null. `columns`: the columns that only this report has, unconverted.
-#}
{% macro google_ads_measured(relation, columns=[]) -%}
    {%- set by_date = 'metrics_conversions_by_conversion_date' -%}
    {%- set value_by_date = 'metrics_conversions_value_by_conversion_date' -%}
    select
        date,
        account_id,
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}

        -- names and settings
        customer_descriptive_name as account_name,
        nullif(customer_currency_code, '') as currency,
        customer_time_zone as time_zone,

        -- measures
        metrics_impressions as impressions,
        metrics_clicks as clicks,
        metrics_clicks as link_clicks,
        {{ micros_to_currency('metrics_cost_micros') }} as spend,
        {{ double_to_numeric('metrics_conversions') }} as conversions,
        {{ double_to_numeric('metrics_conversions_value') }} as conversion_value,
        {{ double_to_numeric('metrics_all_conversions') }} as all_conversions,
        {{ is_invalid_side_value('metrics_all_conversions', double_to_numeric('metrics_all_conversions')) }} as is_invalid_all_conversions,

        -- the same conversions on their own day, not on the day of the click
        {{ double_to_numeric(by_date) }} as conversions_by_conversion_date,
        {{ double_to_numeric(value_by_date) }} as conversion_value_by_conversion_date,
        {{ is_invalid_side_value(by_date, double_to_numeric(by_date)) }} as is_invalid_conversions_by_conversion_date,
        {{ is_invalid_side_value(value_by_date, double_to_numeric(value_by_date)) }} as is_invalid_conversion_value_by_conversion_date,
        'click' as conversion_dating,

        -- provenance
        extract_run_id,
        ingested_at
    from {{ relation }}
{%- endmacro %}


{#- The raw columns that google_ads_measured reads, with their types. -#}
{% macro google_ads_raw_columns() -%}
    {{ return({
        'customer_descriptive_name': 'string',
        'customer_currency_code': 'string',
        'customer_time_zone': 'string',
        'metrics_impressions': 'bigint',
        'metrics_clicks': 'bigint',
        'metrics_cost_micros': 'bigint',
        'metrics_conversions': double_type(),
        'metrics_conversions_value': double_type(),
        'metrics_all_conversions': double_type(),
        'metrics_conversions_by_conversion_date': double_type(),
        'metrics_conversions_value_by_conversion_date': double_type(),
    }) }}
{%- endmacro %}
