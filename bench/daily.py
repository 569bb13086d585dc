"""The daily run, compared with dbt and imports alone, and after a long history."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import duckdb

from bench.bench_workspace import GOOGLE, META, TODAY, BenchWorkspace, accounts_of, days_ago
from bench.figures import Figure, Row
from bench.processes import measured
from bench.raw_tables import add_accounts, add_ledger, prepare
from bench.server import serving
from mdp_dagster.window import DateWindow

ACCOUNTS, CAMPAIGNS = 10, 20  # of each platform
MORNING = days_ago(7)
IMPORTS = (
    "import dagster, dagster_dbt, facebook_business.api, facebook_business.adobjects.adaccount; "
    "from google.ads.googleads.client import GoogleAdsClient; import google.ads.googleads.client as c; "
    "from importlib import import_module as i; "
    "i(f'google.ads.googleads.{c._DEFAULT_VERSION}.services.services.google_ads_service')"
)
LOCATION = "from mdp_dagster.definitions import defs; defs()"
YEARS, SHORT = 5, 90


def rows(folder: Path) -> list[Row]:
    """Measure the daily run."""
    with serving(folder / "server", ACCOUNTS, CAMPAIGNS) as sandbox:
        short = _with_history(folder / "short", sandbox, SHORT)
        short.dbt_build(MORNING)  # keeps dbt's parsed project, as MDP does
        long = _with_history(folder / "long", sandbox, 365 * YEARS)
        count = long.count("mdp_marts.mart_campaign__daily")
        imports, loading, builds, mornings, after_years = [], [], [], [], []
        for _ in range(3):  # in turns, so that other load on the machine affects all of them
            imports.append(_python(short, IMPORTS))
            loading.append(_python(short, LOCATION))
            builds.append(short.dbt_build(MORNING).seconds)
            mornings.append(short.run(MORNING).seconds)
            after_years.append(long.run(MORNING).seconds)
    floor = [build + imported for build, imported in zip(builds, imports, strict=True)]
    return [
        Figure(
            f"the daily run: 8 days, 2 platforms, {2 * ACCOUNTS} accounts", mornings, floor, "s", 1.3,
            note="floor: `dbt build` of the same models + importing dagster, dagster-dbt and both SDKs",
        ),
        Figure(
            f"the daily run after {YEARS} years ({count:,} rows in the mart)", after_years, mornings, "s", 1.1,
            note=f"floor: itself, after {SHORT} days",
        ),
        Figure(
            "loading the code location", loading, imports, "s", 1.3,
            note="floor: importing dagster, dagster-dbt and both SDKs",
        ),
    ]  # fmt: skip


def _python(workspace: BenchWorkspace, statements: str) -> float:
    return measured([sys.executable, "-c", statements], workspace.env, workspace.folder / "python.log").seconds


def _with_history(folder: Path, sandbox: Mapping[str, str], days: int) -> BenchWorkspace:
    """A workspace with this number of days, and one daily run.

    SQL fills raw, and Dagster builds the models, so that its history has the same length. The daily run creates the
    usual state for the next one.
    """
    workspace = BenchWorkspace(folder, sandbox, accounts_of(ACCOUNTS), days_ago(days).start)
    _fill_raw(workspace, DateWindow(days_ago(days).start, TODAY + timedelta(days=1)))
    workspace.run(days_ago(days), select="kind:dbt")
    workspace.run(MORNING)
    return workspace


def _fill_raw(workspace: BenchWorkspace, window: DateWindow) -> None:
    """Fill raw with campaigns of all accounts on every day. The account totals are their sums."""
    prepare(str(workspace.warehouse))
    with duckdb.connect(str(workspace.warehouse)) as connection:
        connection.begin()
        for source in (GOOGLE, META):
            add_accounts(connection, source, workspace.accounts[source])
        for report in ("campaign_daily", "account_daily"):
            connection.execute(_GOOGLE[report], [window.start, window.last])
            connection.execute(_META[report], [window.start, window.last])
        add_ledger(connection, window)
        connection.commit()


_DAYS = f"""
    with days as (select unnest(generate_series(?::date, ?::date, interval 1 day))::date as date),
    campaigns as (
        select account_id, 1000 * row_number() over (order by account_id) + unnest(range({CAMPAIGNS})) as campaign_id
        from mdp_raw.raw__accounts where source = '{{source}}'
    )
"""
_GOOGLE = {
    "campaign_daily": f"""
        insert into mdp_raw.raw_google_ads__campaign_daily by name
        {_DAYS.format(source=GOOGLE)}
        select '{GOOGLE}' as source, account_id, date, 'bare' as extract_run_id, now() as ingested_at,
            account_id::bigint as customer_id, 'Bench' as customer_descriptive_name, 'EUR' as customer_currency_code,
            'Europe/Berlin' as customer_time_zone, campaign_id, 'Campaign ' || campaign_id as campaign_name,
            'ENABLED' as campaign_status, 'SEARCH' as campaign_advertising_channel_type, date::text as segments_date,
            1000 + hash(campaign_id, date) % 9000 as metrics_impressions,
            50 + hash(date, campaign_id) % 50 as metrics_clicks,
            1000000 * (20 + hash(campaign_id, date) % 80) as metrics_cost_micros, 3.5 as metrics_conversions,
            70.25 as metrics_conversions_value, 4.5 as metrics_all_conversions
        from campaigns, days
    """,
    "account_daily": """
        insert into mdp_raw.raw_google_ads__account_daily by name
        with window_ as (select ?::date as first, ?::date as last)
        select source, account_id, date, extract_run_id, ingested_at, customer_id, customer_descriptive_name,
            customer_currency_code, customer_time_zone, segments_date, sum(metrics_impressions) as metrics_impressions,
            sum(metrics_clicks) as metrics_clicks, sum(metrics_cost_micros) as metrics_cost_micros,
            sum(metrics_conversions) as metrics_conversions, sum(metrics_conversions_value) as metrics_conversions_value
        from mdp_raw.raw_google_ads__campaign_daily, window_ where date between first and last
        group by all
    """,
}
_META = {
    "campaign_daily": f"""
        insert into mdp_raw.raw_meta_ads__campaign_daily by name
        {_DAYS.format(source=META)}
        select '{META}' as source, account_id, date, 'bare' as extract_run_id, now() as ingested_at,
            'Bench' as account_name, 'EUR' as account_currency, 'Europe/Berlin' as timezone_name,
            campaign_id::text as campaign_id, 'Campaign ' || campaign_id as campaign_name, 'ACTIVE' as campaign_status,
            'ACTIVE' as campaign_effective_status, 'OUTCOME_SALES' as objective, date::text as date_start,
            date::text as date_stop, (1000 + hash(campaign_id, date) % 9000)::text as impressions,
            (50 + hash(date, campaign_id) % 50)::text as clicks, (20 + hash(campaign_id, date) % 80)::text as spend,
            '900' as reach, '40' as inline_link_clicks,
            '[{{{{"action_type":"omni_purchase","value":"3"}}}}]' as actions,
            '[{{{{"action_type":"omni_purchase","value":"70.25"}}}}]' as action_values
        from campaigns, days
    """.replace("{{", "{").replace("}}", "}"),
    "account_daily": """
        insert into mdp_raw.raw_meta_ads__account_daily by name
        with window_ as (select ?::date as first, ?::date as last)
        select source, account_id, date, extract_run_id, ingested_at, account_name, account_currency, timezone_name,
            date_start, date_stop, sum(impressions::bigint)::text as impressions, sum(clicks::bigint)::text as clicks,
            sum(spend::bigint)::text as spend, '9000' as reach, '400' as inline_link_clicks,
            '[{"action_type":"omni_purchase","value":"' || 3 * count(*) || '"}]' as actions,
            '[{"action_type":"omni_purchase","value":"' || 70.25 * count(*) || '"}]' as action_values
        from mdp_raw.raw_meta_ads__campaign_daily, window_ where date between first and last
        group by all
    """,
}
