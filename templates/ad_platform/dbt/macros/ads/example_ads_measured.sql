{#-
    The columns that both reports of Example Ads have, from the raw rows of `relation`: names, measures, provenance.
    Measures are converted from text; null means that a value is missing or can't be read. `columns`: further columns of
    one report, unchanged.
-#}
{% macro example_ads_measured(relation, columns=[]) -%}
    select
        date,
        account_id,
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}

        -- names and settings
        account_name,
        nullif(account_currency, '') as currency,
        account_time_zone as time_zone,

        -- measures
        {{ text_to_integer('impressions') }} as impressions,
        {{ text_to_integer('clicks') }} as clicks,
        {{ text_to_integer('clicks') }} as link_clicks,
        {{ text_to_numeric('spend') }} as spend,
        {{ text_to_numeric('conversions') }} as conversions,
        {{ text_to_numeric('conversion_value') }} as conversion_value,

        -- the day on which the platform counts a conversion. If it is `conversion`, these are the same measures.
        cast(null as {{ numeric_type() }}) as conversions_by_conversion_date,
        cast(null as {{ numeric_type() }}) as conversion_value_by_conversion_date,
        'click' as conversion_dating,

        -- provenance
        extract_run_id,
        ingested_at
    from {{ relation }}
{%- endmacro %}


{#- The raw columns that example_ads_measured reads, with their types. Rejected rows are read with them. -#}
{% macro example_ads_raw_columns() -%}
    {%- set columns = {} -%}
    {%- for column in [
        'account_name', 'account_currency', 'account_time_zone', 'impressions', 'clicks', 'spend', 'conversions',
        'conversion_value',
    ] -%}
        {%- do columns.update({column: 'string'}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
