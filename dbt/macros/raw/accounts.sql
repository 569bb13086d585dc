{#-
    The newest data about each account of the given platforms, from clients.yaml and the platform. The registry is
    append-only and small. All of it is read, because an account's newest row may be older than the window.
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
    The number of days during which a platform may rewrite a day: the registry's number for the account, otherwise the
    platform's. Null for a platform without one: its days are never final.
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
