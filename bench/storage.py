"""The storage after two months of daily runs, with and without restated days."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import duckdb

from bench.bench_workspace import GOOGLE, META, TODAY, accounts_of
from bench.figures import Figure, Row
from mdp_dagster.clients.model import Clients
from mdp_dagster.defs.ads.platforms import AD_PLATFORMS
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow
from sandbox import Sandbox, World

ACCOUNTS, CAMPAIGNS = 3, 20  # of each platform
MORNINGS, LIVELY_MORNINGS, LOOKBACK = 60, 30, 28
CAMPAIGNS_DAILY = [platform.report("campaign_daily") for platform in AD_PLATFORMS]
_BEFORE = 400  # days; older days no longer change, on both platforms


def rows(folder: Path) -> list[Row]:
    """Measure the storage."""
    folder.mkdir(parents=True)
    last = TODAY - timedelta(days=_BEFORE)
    settled = World(now=_noon(TODAY), accounts=8 + ACCOUNTS, campaigns_per_account=CAMPAIGNS)
    settling = World(now=_noon(last), accounts=8 + ACCOUNTS, campaigns_per_account=CAMPAIGNS)
    calm = _mornings(folder / "calm", settled, last, MORNINGS, restated=True)
    lively = _mornings(folder / "lively", settling, last, LIVELY_MORNINGS, restated=False)
    return [
        Figure(
            f"{_title(MORNINGS)}, {calm['share']:.1%} of the extracted days restated",
            [calm["stored"]], [calm["current"]], "rows", 1.3, note=_summary(calm),
        ),
        Figure(
            f"{_title(LIVELY_MORNINGS)}, the sandbox's accounts: {lively['share']:.0%} restated",
            [lively["stored"]], [lively["appended"]], "rows", 1.0,
            note=f"floor: the restated days alone; {_summary(lively)}",
        ),
    ]  # fmt: skip


def _title(mornings: int) -> str:
    return f"storage after {mornings} daily runs with a lookback of {LOOKBACK} days"


def _mornings(folder: Path, world: World, last: date, mornings: int, *, restated: bool) -> dict[str, float]:
    """Extract the lookback window every morning.

    With ``restated``, one day of one account is restated each morning, and nothing else changes. Otherwise conversions
    arrive over time.
    """
    folder.mkdir()
    accounts = accounts_of(ACCOUNTS)
    client = {"id": "bench", "name": "Bench", "reporting_currency": "EUR", "accounts": accounts}
    database = folder / "warehouse.duckdb"
    stores = Stores(
        Clients.model_validate({"clients": [client]}), DuckDBWarehouse(database), Lake(str(folder / "lake"))
    )
    stores.warehouse.prepare([*SHARED_TABLES, *(report_table(report) for report in CAMPAIGNS_DAILY)])
    with Sandbox(world, folder.parent / "sandbox") as sandbox, _environment(sandbox.env):
        connectors = [platform.new_connector() for platform in AD_PLATFORMS]
        for morning in range(mornings):
            today = last + timedelta(days=morning)
            if restated:
                platform, offset = (GOOGLE, META)[morning % 2], timedelta(days=1 + morning % (LOOKBACK - 1))
                world.restate(platform, accounts[platform][morning % ACCOUNTS], today - offset, factor=1.1)
            else:
                world.now = _noon(today)
            window = DateWindow.of_days(today - timedelta(days=LOOKBACK - 1), today)
            for connector, report in zip(connectors, CAMPAIGNS_DAILY, strict=True):
                ingest(connector, report, window, stores, IngestRun(str(uuid4())))
    return _counted(database)


def _counted(database: Path) -> dict[str, float]:
    """The number of campaign rows: all, the current ones, and those of days that the ledger marks as loaded."""
    stored, current, appended = 0, 0, 0
    with duckdb.connect(str(database), read_only=True) as connection:
        for report in CAMPAIGNS_DAILY:
            table, key = report_table(report).id, f"source = '{report.source}'"
            stored += connection.sql(f"select count(*) from {table}").fetchall()[0][0]
            current += connection.sql(
                f"select sum(row_count) from (select arg_max(row_count, extracted_at) as row_count "
                f"from mdp_raw.raw__extracts where {key} group by account_id, date)"
            ).fetchall()[0][0]
            appended += connection.sql(
                f"select sum(row_count) from mdp_raw.raw__extracts where {key} and status = 'loaded'"
            ).fetchall()[0][0]
        extracted_days, loaded, days = connection.sql(
            "select count(*), count(*) filter (where status = 'loaded'), count(distinct (source, account_id, date)) "
            "from mdp_raw.raw__extracts"
        ).fetchall()[0]
    mebibytes = database.stat().st_size / 2**20
    share = (loaded - days) / extracted_days
    return {"stored": stored, "current": current, "appended": appended, "share": share, "mebibytes": mebibytes}


def _summary(counted: Mapping[str, float]) -> str:
    copies = counted["stored"] / counted["current"]
    return f"{copies:.2f} copies of each row, the file has {counted['mebibytes']:.0f} MiB"


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), timezone.utc)


@contextmanager
def _environment(sandbox: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(sandbox, MDP_ENV_FILE=os.devnull)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
