"""Compares the marts with each other and with raw, beyond the comparison of campaigns with the platforms."""

from __future__ import annotations

from collections.abc import Iterator

from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.tables import EXTRACTS, report_table
from mdp_dagster.warehouse.base import Warehouse

_CAMPAIGN_SUMS = """
    select
        client_id, date, platform, max(client_name) as client_name,
        count(distinct account_id) as accounts, count(distinct campaign_id) as campaigns,
        cast(sum(impressions) as bigint) as impressions, cast(sum(clicks) as bigint) as clicks,
        sum(conversions) as conversions,
        case when count(link_clicks) = count(*) then cast(sum(link_clicks) as bigint) end as link_clicks,
        case when count(conversions_by_conversion_date) = count(*) then sum(conversions_by_conversion_date) end
            as conversions_by_conversion_date,
        case when count(distinct reporting_currency) = 1 and count(exchange_rate) = count(*)
            then sum(spend_reporting) end as spend,
        case when count(distinct reporting_currency) = 1 and count(exchange_rate) = count(*)
            then sum(conversion_value_reporting) end as conversion_value
    from mdp_marts.mart_campaign__daily
    group by client_id, date, platform
"""
_CLIENTS = """
    select
        client_id, date, platform, client_name, accounts, campaigns, impressions, clicks, conversions, link_clicks,
        conversions_by_conversion_date, spend, conversion_value
    from mdp_marts.mart_client__daily
"""
_NEWEST = f"""
    select source, account_id, date, effective_run_id from {EXTRACTS.id} where report = 'campaign_daily'
    qualify row_number() over (
        partition by source, account_id, date order by extracted_at desc, extract_run_id desc
    ) = 1
"""
_PROVENANCE = f"""
    select mart.date, mart.campaign_id, mart.extract_run_id, newest.effective_run_id, spend_reporting
    from mdp_marts.mart_campaign__daily as mart
    left join ({_NEWEST}) as newest on newest.source = mart.platform and newest.account_id = mart.account_id
        and newest.date = mart.date
    where mart.extract_run_id is distinct from newest.effective_run_id
        or abs(spend * exchange_rate - spend_reporting) > 0.000001
        or (exchange_rate is null) <> (spend_reporting is null)
"""


def consistency_problems(warehouse: Warehouse) -> Iterator[str]:
    """The disagreements between the marts, and between the marts and raw."""
    yield from _differences(warehouse, _CAMPAIGN_SUMS, _CLIENTS, "mart_client__daily and its campaigns differ")
    for row in warehouse.query(_PROVENANCE).to_pylist():
        yield f"a row of mart_campaign__daily is not from its day's newest extract, or has a wrong conversion: {row}"
    restated = """
        select platform, account_id, date, version, cast(sum(difference) as bigint) as difference
        from mdp_marts.mart_campaign__restatements where metric = 'impressions' group by all
    """
    # Duplicate rows can't be distinguished.
    versions, restated = (
        f"select * from ({each}) as found anti join ({_duplicate_days()}) as doubled using (platform, account_id, date)"
        for each in (_versions(), restated)
    )
    yield from _differences(warehouse, versions, restated, "mart_campaign__restatements and raw's versions differ")


def _raw() -> str:
    """Every campaign row of every extract."""
    return " union all ".join(
        f"select '{report.source}' as platform, account_id, date, extract_run_id, campaign_id::varchar as campaign_id, "
        f"coalesce(cast({column.name} as bigint), 0) as impressions from {report_table(report).id}"
        for report in REPORTS
        if report.name == "campaign_daily"
        for column in report.columns
        if column.name.endswith("impressions")
    )


def _duplicate_days() -> str:
    """The account-days with an extract that contains a campaign twice."""
    return f"""
        select distinct platform, account_id, date from (
            select platform, account_id, date from ({_raw()})
            group by platform, account_id, date, extract_run_id, campaign_id having count(*) > 1
        )
    """


def _versions() -> str:
    """The change in impressions from each version of an account-day to the next, according to raw."""
    return f"""
        select platform, account_id, date, version, difference from (
            select
                platform, account_id, date, version,
                cast(impressions - lag(impressions) over days as bigint) as difference
            from (
                select
                    versions.platform, versions.account_id, versions.date, version,
                    coalesce(sum(impressions), 0) as impressions
                from (
                    select *, row_number() over days as version from (
                        select
                            source as platform, account_id, date, extracted_at, extract_run_id, effective_run_id,
                            content_digest, lag(content_digest) over days as digest_before
                        from {EXTRACTS.id} where report = 'campaign_daily'
                        window days as (partition by source, account_id, date order by extracted_at, extract_run_id)
                    )
                    where content_digest is distinct from digest_before
                    window days as (partition by platform, account_id, date order by extracted_at, extract_run_id)
                ) as versions
                left join ({_raw()}) as raw on raw.platform = versions.platform and raw.account_id = versions.account_id
                    and raw.date = versions.date and raw.extract_run_id = versions.effective_run_id
                group by all
            )
            window days as (partition by platform, account_id, date order by version)
        )
        where version > 1
    """


def _differences(warehouse: Warehouse, one: str, other: str, title: str) -> Iterator[str]:
    """Rows that only one of two queries returns. Rows with a ``difference`` of 0 are ignored."""
    for row in warehouse.query(f"(({one}) except all ({other})) union all (({other}) except all ({one}))").to_pylist():
        if row.get("difference") != 0:
            yield f"{title}: {row}"
