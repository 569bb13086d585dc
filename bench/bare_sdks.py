"""The floors: the work that no solution can avoid, with the vendors' SDKs alone.

``python -m bench.bare_sdks <measurement> …`` runs in a workspace's environment, and prints its result as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from bench.bench_workspace import GOOGLE, META
from mdp_dagster.connectors.base import PlatformAccount, Report
from mdp_dagster.connectors.google_ads.reports import ACCOUNT_DAILY as GOOGLE_TOTALS
from mdp_dagster.connectors.google_ads.reports import CAMPAIGN_DAILY as GOOGLE_CAMPAIGNS
from mdp_dagster.connectors.google_ads.reports import gaql
from mdp_dagster.connectors.meta_ads.reports import ACCOUNT_DAILY as META_TOTALS
from mdp_dagster.connectors.meta_ads.reports import CAMPAIGN_DAILY as META_CAMPAIGNS
from mdp_dagster.connectors.meta_ads.reports import insights_params
from mdp_dagster.window import DateWindow

PAGE_ROWS = 500
DAYS_PER_REQUEST = 31


class BareGoogle:
    """google-ads with raw protobuf messages, as its performance guide recommends."""

    def __init__(self) -> None:
        from google.ads.googleads.client import GoogleAdsClient

        self.service = GoogleAdsClient.load_from_env().get_service("GoogleAdsService")

    def messages(self, report: Report, account: str, window: DateWindow) -> Iterator[Any]:
        """Stream the messages of a report."""
        for message in self.service.search_stream(customer_id=account, query=gaql(report, window)):
            yield message.results

    def rows(self, report: Report, account: str, window: DateWindow) -> pa.Table:
        """The rows of a report."""
        columns: dict[str, list[Any]] = {column.name: [] for column in report.columns}
        for results in self.messages(report, account, window):
            for row in results:
                for name, values in columns.items():
                    resource, _, field = name.partition("_")
                    value = getattr(getattr(row, resource), field)
                    values.append(str(value) if name.endswith(("_status", "_channel_type")) else value)
        return pa.table(columns, schema=report.schema)


class BareMeta:
    """facebook-business, page by page. Its own cursor makes an object of every row, which is several times slower."""

    def __init__(self) -> None:
        from facebook_business.api import FacebookAdsApi
        from facebook_business.session import FacebookSession

        session = FacebookSession(
            os.environ["META_APP_ID"], os.environ["META_APP_SECRET"], os.environ["META_ACCESS_TOKEN"]
        )
        session.GRAPH = os.environ["META_GRAPH_URL"]
        self.api = FacebookAdsApi(session)

    def pages(self, report: Report, account: str, window: DateWindow) -> Iterator[list[dict[str, Any]]]:
        """The pages of a report."""
        days = len(window) if report is META_TOTALS else DAYS_PER_REQUEST
        for chunk in window.chunks(days):
            params = {**insights_params(report, chunk), "limit": PAGE_ROWS}
            while True:
                answer = self.api.call("GET", (f"act_{account}", "insights"), dict(params)).json()
                yield answer["data"]
                if "next" not in answer.get("paging", {}):
                    break
                params["after"] = answer["paging"]["cursors"]["after"]

    def rows(self, report: Report, account: str, window: DateWindow) -> pa.Table:
        """The rows of a report."""
        columns: dict[str, list[Any]] = {column.name: [] for column in report.columns}
        for page in self.pages(report, account, window):
            for row in page:
                for name, values in columns.items():
                    value = row.get(name)
                    values.append(value if value is None or isinstance(value, str) else json.dumps(value))
        return pa.table(columns, schema=report.schema)


def download_speeds(accounts: dict[str, list[str]], window: DateWindow) -> dict[str, float]:
    """Rows per second of each platform's campaigns, downloaded and discarded."""
    google, meta = BareGoogle(), BareMeta()
    return {
        GOOGLE: _speed(lambda a: sum(len(m) for m in google.messages(GOOGLE_CAMPAIGNS, a, window)), accounts[GOOGLE]),
        META: _speed(lambda a: sum(len(p) for p in meta.pages(META_CAMPAIGNS, a, window)), accounts[META]),
    }


def extract_speeds(accounts: dict[str, list[str]], window: DateWindow) -> dict[str, float]:
    """Rows per second of MDP's connectors into Arrow, one account after the other."""
    from mdp_dagster.defs.ads.platforms import AD_PLATFORMS

    speeds = {}
    for platform in AD_PLATFORMS:
        connector, report = platform.new_connector(), platform.report("campaign_daily")
        found, _ = connector.accounts(accounts[platform.name])
        by_id: dict[str, PlatformAccount] = {account.account_id: account for account in found}
        speeds[platform.name] = _speed(
            lambda a: sum(b.num_rows for b in connector.extract(report, by_id[a], window)),  # noqa: B023
            accounts[platform.name],
        )
    return speeds


def _speed(count: Any, accounts: list[str]) -> float:
    count(accounts[0])  # imports, credentials and the first channel; and then the server has cached its answers
    started = time.perf_counter()
    rows = sum(count(account) for account in accounts)
    return rows / (time.perf_counter() - started)


def api_call_seconds(accounts: dict[str, list[str]], window: DateWindow) -> dict[str, list[float]]:
    """The seconds to download the totals of all accounts, four at a time with a new client, measured twice."""
    BareGoogle().rows(GOOGLE_TOTALS, accounts[GOOGLE][0], window)  # imports
    return {"seconds": [_seconds_for_totals(accounts[GOOGLE], window) for _ in range(2)]}


def _seconds_for_totals(accounts: list[str], window: DateWindow) -> float:
    started = time.perf_counter()
    google = BareGoogle()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda a: google.rows(GOOGLE_TOTALS, a, window), accounts))
    return time.perf_counter() - started


def load_all(accounts: dict[str, list[str]], window: DateWindow) -> dict[str, float]:
    """Load all reports into Arrow, then into DuckDB with the tables that dbt needs: one insert per table."""
    from bench.raw_tables import insert

    google, meta = BareGoogle(), BareMeta()
    wanted = [
        (platform, report, account)
        for platform, reports in (
            (google, (GOOGLE_TOTALS, GOOGLE_CAMPAIGNS)),
            (meta, (META_TOTALS, META_CAMPAIGNS)),
        )
        for report in reports
        for account in accounts[report.source]
    ]
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda w: (w[1], w[2], w[0].rows(w[1], w[2], window)), wanted))
    return {"rows": insert(os.environ["MDP_DUCKDB_PATH"], tables, window)}


def main() -> None:
    """Run the measurement in the arguments."""
    name, accounts, first, last = sys.argv[1:]
    window = DateWindow.of_days(first, last)
    measure = {each.__name__: each for each in (download_speeds, extract_speeds, api_call_seconds, load_all)}[name]
    print(json.dumps(measure(json.loads(accounts), window)))


if __name__ == "__main__":
    main()
