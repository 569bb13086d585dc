{#-
    The facts about each account of the given platforms, from clients.yaml and the platform: one row for each range of
    days with other facts, `valid_from` up to `valid_until`, which is not included. The ranges of a registered account
    cover all days. Join them with valid_on.

    The registry is append-only and small: an account's newest rows, which were written together, replace all earlier
    ones. All of it is read, because an account's newest rows may be older than the window.
-#}
{% macro accounts_by_day(platforms) -%}
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
        lookback_days,
        facts_digest,
        case
            when row_number() over in_order > 1 then valid_from
            else date '0001-01-01'
        end as valid_from,
        coalesce(lead(valid_from) over in_order, date '9999-12-31') as valid_until
    from (
        select *
        from {{ source('mdp_raw', 'raw__accounts') }}
        where source in ('{{ platforms | join("', '") }}')
            {{- and_known('ingested_at') }}
        -- the newest rows of the account, and each range of days once
        qualify rank() over (
            partition by source, account_id
            order by ingested_at desc, extract_run_id desc
        ) = 1
        and row_number() over (
            partition by source, account_id, valid_from
            order by ingested_at desc, extract_run_id desc
        ) = 1
    ) as newest
    window in_order as (
        partition by source, account_id
        order by coalesce(valid_from, date '0001-01-01')
    )
{%- endmacro %}


{#- One more condition for a join with accounts_by_day: the facts are valid on the day. -#}
{% macro valid_on(day, accounts='accounts') -%}
    {{ day }} >= {{ accounts }}.valid_from
    and {{ day }} < {{ accounts }}.valid_until
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
