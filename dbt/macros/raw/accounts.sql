{#-
    What clients.yaml and the platform said last about each account of the given platforms. The registry is
    append-only and small; it is read whole, because an account's newest row may be older than the window.
-#}
{% macro current_accounts(platforms) -%}
    select
        source,
        account_id,
        account_name,
        currency,
        time_zone,
        client_id,
        client_name,
        reporting_currency,
        exchange_rate,
        conversion_action_type,
        lookback_days
    from {{ source('mdp_raw', 'raw__accounts') }}
    where source in ('{{ platforms | join("', '") }}')
        {{- and_known('ingested_at') }}
    qualify row_number() over (
        partition by source, account_id
        order by ingested_at desc, extract_run_id desc
    ) = 1
{%- endmacro %}


{#-
    For how many days after it a platform rewrites a day: the registry's number for the account, else the platform's
    own. Null for a platform that has none: its days are never final.
-#}
{% macro lookback_of(platform, registered) -%}
    coalesce(
        {{ registered }},
        case {{ platform }}
            {%- for name, days in var('lookback_days').items() %}
            when '{{ name }}' then {{ days }}
            {%- endfor %}
        end
    )
{%- endmacro %}
