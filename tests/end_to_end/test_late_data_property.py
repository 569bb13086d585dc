"""Five hundred accounts, each with its own history: restated, extracted, killed, backfilled, overlapped, probed.

After any history, the late days of the probe and the requests of the sensor make the mart equal to the platform's
state. Ledger, lake, DuckDB and dbt are real. The platform is a dictionary with Google's reports.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
import pytest

from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.base import AccountFailure, DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.connectors.google_ads import GoogleAdsConnector
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest import ingestion as run_module
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.probe import ProbeRun, probe
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.ingest.watched_reports import DetailReport, WatchedReports
from mdp_dagster.lake import Lake
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import ProbeEvent, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.reload_cadence import parse_cadence
from mdp_dagster.settings import load_settings
from mdp_dagster.transform.in_process_dbt import run_models
from mdp_dagster.transform.project import parsed_project
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow

ROUNDS, ACCOUNTS = 2, 250
TODAY = date.today()
DAYS = DateWindow.of_days(TODAY - timedelta(days=6), TODAY - timedelta(days=1))
WINDOWS = [
    DAYS,
    DateWindow(DAYS.start, DAYS.start + timedelta(days=3)),
    DateWindow(DAYS.start + timedelta(days=2), DAYS.end),
]
TOTALS, CAMPAIGNS = GoogleAdsConnector.report("account_daily"), GoogleAdsConnector.report("campaign_daily")
WATCHED = WatchedReports(TOTALS, (DetailReport(CAMPAIGNS),))

Step = tuple[str, DateWindow]


class Dictionary(DataSourceConnector):
    """``clicks[account][day][campaign]`` is the platform's state. ``meanwhile`` is called once, during an answer.

    The answer has the state before that call, or, with ``answers_late``, the state after it.
    """

    source = "google_ads"
    reports = (TOTALS, CAMPAIGNS)
    max_parallel_accounts = 1

    def __init__(self) -> None:
        self.clicks: dict[str, dict[date, dict[int, int]]] = {}
        self.meanwhile: Callable[[], None] | None = None
        self.answers_late = False

    def accounts(self, listed: Sequence[str]) -> tuple[list[PlatformAccount], list[AccountFailure]]:
        found = [PlatformAccount(self.source, a, a, f"Account {a}", "EUR", "Europe/Berlin") for a in listed]
        return found, []

    def extract(self, report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        rows = self._rows(report, account.account_id, window)
        happening, self.meanwhile = self.meanwhile, None
        if happening:
            late = self.answers_late
            happening()
            rows = self._rows(report, account.account_id, window) if late else rows
        yield pa.RecordBatch.from_pylist(rows, report.schema)

    def _rows(self, report: DayReport, account: str, window: DateWindow) -> list[dict[str, Any]]:
        return [
            self._row(day, campaign, clicks, account)
            for day, campaigns in self.clicks[account].items()
            if day in window and campaigns
            for campaign, clicks in (campaigns if report is CAMPAIGNS else {0: sum(campaigns.values())}).items()
        ]

    @staticmethod
    def _row(day: date, campaign: int, clicks: int, account: str) -> dict[str, Any]:
        return {
            "customer_id": int(account),
            "customer_currency_code": "EUR",
            "campaign_id": campaign,
            "segments_date": str(day),
            "metrics_impressions": 10 * clicks,
            "metrics_clicks": clicks,
            "metrics_cost_micros": clicks * 1_000_000,
            "metrics_conversions": clicks / 4,
            "metrics_conversions_value": float(clicks),
            "metrics_all_conversions": clicks / 2,
        }


class Round:
    """A warehouse, a lake, and the histories of its accounts."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.connector = Dictionary()
        names = [str(1000 + n) for n in range(ACCOUNTS)]
        clients = {"id": "acme", "name": "Acme", "reporting_currency": "EUR", "accounts": {"google_ads": names}}
        self.stores = Stores(
            Clients.model_validate({"clients": [clients]}),
            DuckDBWarehouse(folder / "warehouse.duckdb", 60),
            Lake(str(folder / "lake")),
        )
        # DuckDB opens a file that is open already at once, and these are thousands of short connections
        self.kept_open = duckdb.connect(str(folder / "warehouse.duckdb"))
        self.stores.warehouse.prepare([*SHARED_TABLES, *(report_table(report) for report in REPORTS)])
        for name in names:
            self.connector.clicks[name] = {day: self._some_clicks() for day in DAYS.days()}
        self.histories = {name: [self._step() for _ in range(self.random.randint(2, 5))] for name in names}

    def _some_clicks(self) -> dict[int, int]:
        """Clicks of either campaign, of both or of none. Different days have different totals.

        A probe of the totals can't see a change that moves clicks between campaigns and keeps every total.
        """
        campaigns = self.random.sample((1, 10), self.random.randint(0, 2))
        return {campaign: campaign * self.random.randint(1, 3) for campaign in campaigns}

    def _step(self) -> Step:
        kinds = ("restate", "pull", "kill", "backfill", "overlap", "probe")
        kind = self.random.choices(kinds, (3, 3, 2, 1, 2, 1))[0]
        return kind, DAYS if kind in ("backfill", "probe") else self.random.choice(WINDOWS)

    def live(self) -> None:
        """Go through the history of each account. Accounts with the same next step make it together."""
        self._pull({*self.histories}, WINDOWS[1])
        for position in range(max(map(len, self.histories.values()))):
            together: dict[Step, set[str]] = {}
            for name, history in self.histories.items():
                if position < len(history):
                    together.setdefault(history[position], set()).add(name)
            for (kind, window), names in sorted(together.items(), key=str):
                getattr(self, f"_{kind}")(names, window)

    def _restate(self, names: set[str], window: DateWindow) -> None:
        for name in sorted(names):
            for day in self.random.sample(list(window.days()), 2):
                self.connector.clicks[name][day] = self._some_clicks()

    def _pull(self, names: set[str], window: DateWindow, run_id: str = "") -> None:
        """Extract like the daily run, or like a run of the campaigns alone."""
        known = self.stores.warehouse.query("select count(*) as n from mdp_raw.raw__accounts").to_pylist()[0]["n"]
        only = names if known else None
        reports = (TOTALS, CAMPAIGNS) if self.random.random() < 0.5 else (CAMPAIGNS,)
        for report in reports:
            ingest(self.connector, report, window, self.stores, IngestRun(run_id or str(uuid4()), only=only))

    def _kill(self, names: set[str], window: DateWindow) -> None:
        """Kill a run before anything landed, between landing and commit, or in the middle of the commits."""
        where = self.random.choice(("extract_in_parallel", "_commit", "unit"))
        original, survived = getattr(run_module, where), self.random.randint(0, len(names))

        def dies(*args: Any, **kwargs: Any) -> Any:
            nonlocal survived
            if where == "unit" and survived > 0:
                survived -= 1
                return original(*args, **kwargs)
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(run_module, where, dies)
            with suppress(KeyboardInterrupt):
                self._pull(names, window)

    def _backfill(self, names: set[str], window: DateWindow) -> None:
        """A run is killed, and the same run is repeated."""
        run_id = str(uuid4())
        self._kill(names, DAYS)
        self._pull(names, DAYS, run_id)
        self._pull(names, DAYS, run_id)

    def _overlap(self, names: set[str], window: DateWindow) -> None:
        """During one extract, days are restated, and another extract overtakes it."""

        def meanwhile() -> None:
            self._restate(names, window)
            self._pull(names, window)

        self.connector.meanwhile, self.connector.answers_late = meanwhile, self.random.random() < 0.5
        self._pull(names, self.random.choice(WINDOWS))

    def _probe(self, names: set[str], window: DateWindow) -> None:
        """Half of the probes are overtaken as well, and half of their requests are never run."""
        if self.random.random() < 0.5:
            self.connector.meanwhile = lambda: self._restate(names, window) or self._pull(names, window)
            self.connector.answers_late = self.random.random() < 0.5
        self.settle(obeyed=0.5)

    def settle(self, obeyed: float = 1.0) -> int:
        """Probe, run a share of the requests, and return the number of late days."""
        probed = probe(self.connector, WATCHED, DAYS, self.stores, ProbeRun(str(uuid4())))
        late = LateDays(tuple(probed.late), {})
        now = datetime.now(timezone.utc)
        every_probe = ReloadTimes(parse_cadence("0+=1h"))
        for request in plan(ProbeEvent(1, now, late), [], Memory(), every_probe, now).requests:
            if self.random.random() < obeyed:
                run = IngestRun(str(uuid4()), days=request.days)
                ingest(self.connector, CAMPAIGNS, request.window, self.stores, run)
        return len(late.days)

    def truth(self) -> dict[str, set[tuple[date, str, int]]]:
        return {
            name: {(day, str(c), clicks) for day, campaigns in days.items() for c, clicks in campaigns.items()}
            for name, days in self.connector.clicks.items()
        }

    def mart(self) -> dict[str, set[tuple[date, str, int]]]:
        rows = self.stores.warehouse.query(
            "select account_id, date, campaign_id, clicks from mdp_staging.int_campaign__daily_unified"
        ).to_pylist()
        shown: dict[str, set[tuple[date, str, int]]] = {name: set() for name in self.histories}
        for r in rows:
            shown[r["account_id"]].add((r["date"], r["campaign_id"], r["clicks"]))
        assert sum(map(len, shown.values())) == len(rows), "duplicate rows"
        return shown


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_all_histories_end_with_the_platforms_state(seed: int, environment: Path) -> None:
    world = Round(seed, environment)
    world.live()
    world.settle()
    assert world.settle() == 0, "late days that stay late although they were extracted"
    world.kept_open.close()
    variables = {"window_start": str(DAYS.start), "window_end": str(DAYS.end)}
    run_models(parsed_project(load_settings()), ["+int_campaign__daily_unified"], variables)
    mart, truth = world.mart(), world.truth()
    for name, history in world.histories.items():
        assert mart[name] == truth[name], f"seed {seed}, account {name}: {history}"
