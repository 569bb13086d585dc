{#-
    Selects the names, measures and provenance that all of Google's reports have, from the rows of `relation`,
    converted. A missing or unreadable value is null. `columns`: the columns that only this report has, unconverted.
-#}
{% macro google_ads_measured(relation, columns=[]) -%}
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
        {{ micros_to_currency('metrics_cost_micros') }} as spend,
        {{ double_to_numeric('metrics_conversions') }} as conversions,
        {{ double_to_numeric('metrics_conversions_value') }} as conversion_value,
        {{ double_to_numeric('metrics_all_conversions') }} as all_conversions,
        {{ is_invalid_side_value('metrics_all_conversions', double_to_numeric('metrics_all_conversions')) }} as is_invalid_all_conversions,

        -- provenance
        extract_run_id,
        ingested_at
    from {{ relation }}
{%- endmacro %}
