"""Several MDP processes on one warehouse: a schedule, a backfill, dbt, and one that is killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa
import pytest

from mdp_dagster.connectors.base import PlatformAccount, Report
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.tables import ACCOUNTS, EXTRACTS
from mdp_dagster.warehouse.base import WarehouseError
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow
from tests.support.limits import HANG_SECONDS
from tests.support.processes import answer, process

from .conftest import make_stores
from .current import CONTENT, counts, current_rows
from .scripted import REPORT, Rows, ScriptedConnector, row

LAST = date.today() - timedelta(days=3)
WINDOW = DateWindow(LAST - timedelta(days=4), LAST + timedelta(days=1))
D1, D2, D3, D4, D5 = WINDOW.days()
ACCOUNTS_LISTED = ["1", "2"]


def rows_at(spend: str, days: DateWindow = WINDOW, campaigns: int = 3) -> dict[str, Rows]:
    """The source's rows for every account."""
    return {
        account: [row(day, f"c{n}", spend=spend) for day in days.days() for n in range(campaigns)]
        for account in ACCOUNTS_LISTED
    }


def shown(stores: Stores) -> dict[tuple[str, date], set[str]]:
    """The spend that counts, by account and day."""
    place = CONTENT.index("spend")
    return {key: {values[place] for values in found} for key, found in current_rows(stores.warehouse).items()}


def everywhere(spend: str, days: DateWindow = WINDOW) -> dict[tuple[str, date], set[str]]:
    return {(account, day): {spend} for account in ACCOUNTS_LISTED for day in days.days()}


class WaitingConnector(ScriptedConnector):
    """Reports a request, and answers on a signal, with the rows that it had at the request."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    def extract(self, report: Report, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        batches = list(super().extract(report, account, window))
        self._pipe.send("asked")
        assert self._pipe.poll(HANG_SECONDS)
        self._pipe.recv()
        yield from batches


def _ingest_when_told(folder: Path, rows: dict[str, Rows], window: DateWindow, pipe: Connection) -> None:
    connector = WaitingConnector(pipe)
    connector.rows = rows
    stores = make_stores(folder, ACCOUNTS_LISTED)
    result = ingest(connector, REPORT, window, stores, IngestRun("slow"))
    pipe.send([account.account_id for account in result.failed])


def _ingest_often(folder: Path, rows: dict[str, Rows], window: DateWindow, times: int, pipe: Connection) -> None:
    connector = ScriptedConnector()
    connector.rows = rows
    stores = make_stores(folder, ACCOUNTS_LISTED)
    pipe.send("ready")
    for n in range(times):
        ingest(connector, REPORT, window, stores, IngestRun(f"{os.getpid()}-{n}"))
    pipe.send("done")


def test_runs_that_begin_at_the_same_time_show_each_row_once(tmp_path: Path) -> None:
    """The warehouse isn't there yet when they begin. Rows may be there twice; they count once."""
    rows = rows_at("1.00")
    with (
        process(_ingest_often, tmp_path, rows, WINDOW, 2) as (_, one),
        process(_ingest_often, tmp_path, rows, DateWindow(D2, D5), 2) as (_, two),
        process(_ingest_often, tmp_path, rows, DateWindow(D3, D5), 2) as (_, three),
    ):
        for pipe in (one, two, three):
            assert [answer(pipe), answer(pipe)] == ["ready", "done"]
    stores = make_stores(tmp_path, ACCOUNTS_LISTED)
    assert shown(stores) == everywhere("1.00")
    assert all(len(found) == 3 for found in current_rows(stores.warehouse).values())
    accounts = stores.warehouse.query(f"select distinct account_id, client_id from {ACCOUNTS.id}").to_pylist()
    assert sorted(row["account_id"] for row in accounts) == ACCOUNTS_LISTED
    before = counts(stores.warehouse)
    with process(_ingest_often, tmp_path, rows, WINDOW, 1) as (_, again):
        assert [answer(again), answer(again)] == ["ready", "done"]
    after = counts(stores.warehouse)
    assert (after[REPORT.table], after["raw__accounts"]) == (before[REPORT.table], before["raw__accounts"])


def test_the_pull_that_began_last_counts_even_if_another_process_commits_later(tmp_path: Path) -> None:
    stores = make_stores(tmp_path, ACCOUNTS_LISTED)
    quick = ScriptedConnector()
    quick.rows = rows_at("2.00", DateWindow(D3, D5))
    with process(_ingest_when_told, tmp_path, rows_at("1.00"), WINDOW) as (_, pipe):
        assert answer(pipe) == "asked"
        pipe.send("go")  # account 1 has answered now, account 2 is being asked
        assert answer(pipe) == "asked"
        assert ingest(quick, REPORT, DateWindow(D3, D5), stores, IngestRun("quick")).failed == []
        pipe.send("go")
        assert answer(pipe) == []
    assert shown(stores) == everywhere("1.00") | everywhere("2.00", DateWindow(D3, D5))


def _ingest_until_killed(folder: Path, spend: str, pipe: Connection) -> None:
    connector = ScriptedConnector()
    connector.rows = rows_at(spend, campaigns=400)
    stores = make_stores(folder, ACCOUNTS_LISTED)
    pipe.send("ready")
    ingest(connector, REPORT, WINDOW, stores, IngestRun(f"run {spend}"))
    time.sleep(HANG_SECONDS)


def test_a_run_that_is_killed_leaves_each_account_as_it_was_or_as_it_should_be(tmp_path: Path) -> None:
    """At any time; and its retry, under the same run id, completes it."""
    stores = make_stores(tmp_path, ACCOUNTS_LISTED)
    connector = ScriptedConnector()
    connector.rows = rows_at("0.00", campaigns=400)
    ingest(connector, REPORT, WINDOW, stores, IngestRun("first"))
    before = "0.00"
    for attempt in range(1, 6):
        spend = f"{attempt}.00"
        with process(_ingest_until_killed, tmp_path, spend) as (run, pipe):
            assert answer(pipe) == "ready"
            time.sleep(random.uniform(0, 0.5))
            os.kill(run.pid, signal.SIGKILL)
            run.join()
        by_account = [{key: found for key, found in shown(stores).items() if key[0] == a} for a in ACCOUNTS_LISTED]
        for found in by_account:
            assert len(found) == len(WINDOW) and len(set.union(*found.values())) == 1, "part of an extract"
        assert set.union(*(values for found in by_account for values in found.values())) <= {before, spend}
        connector.rows = rows_at(spend, campaigns=400)
        ingest(connector, REPORT, WINDOW, stores, IngestRun(f"run {spend}"))
        assert shown(stores) == everywhere(spend)
        before = spend
    committed = stores.warehouse.query(
        f"""
        select account_id, date, extract_run_id, count(*) as n from {EXTRACTS.id}
        group by all having count(*) > 1
        """
    )
    assert committed.num_rows == 0, "an extract is in the ledger once"


def _hold(path: Path, seconds: float, pipe: Connection) -> None:
    with DuckDBWarehouse(path).exclusive():
        pipe.send("held")
        time.sleep(seconds)


def test_a_pull_waits_while_dbt_has_the_warehouse(tmp_path: Path) -> None:
    stores = make_stores(tmp_path, ACCOUNTS_LISTED)
    connector = ScriptedConnector()
    connector.rows = rows_at("1.00")
    with process(_hold, tmp_path / "warehouse.duckdb", 1.0) as (_, pipe):
        assert answer(pipe) == "held"
        assert ingest(connector, REPORT, WINDOW, stores, IngestRun("run")).failed == []
    assert shown(stores) == everywhere("1.00")


def test_a_pull_that_can_not_wait_any_longer_says_who_is_in_the_way_and_can_be_repeated(tmp_path: Path) -> None:
    stores = make_stores(tmp_path, ACCOUNTS_LISTED)
    impatient = DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_timeout_seconds=0.3)
    connector = ScriptedConnector()
    connector.rows = rows_at("1.00")
    with process(_hold, tmp_path / "warehouse.duckdb", HANG_SECONDS) as (holder, pipe):
        assert answer(pipe) == "held"
        with pytest.raises(WarehouseError, match=f"process {holder.pid} .*→ .*MDP_LOCK_TIMEOUT_SECONDS"):
            ingest(connector, REPORT, WINDOW, Stores(stores.clients, impatient, stores.lake), IngestRun("run"))
    ingest(connector, REPORT, WINDOW, Stores(stores.clients, impatient, stores.lake), IngestRun("run"))
    assert shown(stores) == everywhere("1.00")
