"""Each account gets requests for its own days: few of them, and a ledger row for no other unchanged day."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.errors import AccountError, QuotaError
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.requested_days import MAX_GAP_DAYS, MAX_REQUESTS, windows_to_request
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.window import DateWindow, join_days
from tests.ingest.current import current_rows
from tests.ingest.scripted import REPORT, ScriptedConnector, row

FIRST = date(2026, 10, 1)
CHUNK = DateWindow(FIRST, FIRST + timedelta(days=10))


def days(*numbers: int) -> set[date]:
    return {FIRST + timedelta(days=number - 1) for number in numbers}


@pytest.mark.parametrize(
    ("needed", "requested"),
    [
        ([], []),
        ([3], ["3-3"]),
        ([3, 4, 5], ["3-5"]),
        ([3, 5], ["3-5"]),
        ([3, 6], ["3-6"]),
        ([3, 7], ["3-3", "7-7"]),
        ([1, 5, 9, 13], ["1-1", "5-5", "9-13"]),
        ([1, 5, 15, 19, 30], ["1-5", "15-19", "30-30"]),
    ],
)
def test_days_that_are_close_share_a_request_and_an_account_gets_three_at_most(
    needed: list[int], requested: list[str]
) -> None:
    windows = windows_to_request(days(*needed))
    assert [f"{w.start.day}-{w.last.day}" for w in windows] == requested


@given(st.sets(st.integers(1, 90), max_size=40))
def test_requests_cover_the_needed_days_and_no_gap_that_is_worth_a_request(numbers: set[int]) -> None:
    needed = days(*numbers)
    windows = windows_to_request(needed)
    covered = [day for window in windows for day in window.days()]
    assert needed <= set(covered) and len(covered) == len(set(covered))
    assert len(windows) <= MAX_REQUESTS
    assert {w.start for w in windows} | {w.last for w in windows} <= needed
    gaps = [(after.start - before.end).days for before, after in itertools.pairwise(join_days(needed))]
    kept = [(after.start - before.end).days for before, after in itertools.pairwise(windows)]
    assert all(gap > MAX_GAP_DAYS for gap in kept)
    closed = sorted(gaps)[: len(gaps) - len(kept)]
    assert len(covered) - len(needed) == sum(closed)
    if sum(gap > MAX_GAP_DAYS for gap in gaps) < MAX_REQUESTS:
        assert all(gap <= MAX_GAP_DAYS for gap in closed)


def load(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {account: [row(day) for day in CHUNK.days()] for account in "12"}
    ingest(connector, REPORT, CHUNK, stores, IngestRun("before"))
    connector.pulls.clear()


def ledger(stores: Stores, run: str) -> set[tuple[str, int, str]]:
    rows = stores.warehouse.query(
        "select account_id, date, status from mdp_raw.raw__extracts where dagster_run_id = $run", {"run": run}
    ).to_pylist()
    return {(r["account_id"], r["date"].day, r["status"]) for r in rows}


def test_an_account_is_requested_for_its_own_days_only(connector: ScriptedConnector, stores: Stores) -> None:
    load(connector, stores)
    run = IngestRun("reload", days={"1": days(1, 10), "2": days(4, 6), "77": days(1)})
    result = ingest(connector, REPORT, CHUNK, stores, run)
    assert {(a, f"{w.start.day}-{w.last.day}") for a, w in connector.pulls} == {
        ("1", "1-1"),
        ("1", "10-10"),
        ("2", "4-6"),
    }
    assert set(result.accounts) == {"1", "2"}
    # the 5th was requested because it is between two needed days: unchanged, it leaves no trace
    assert ledger(stores, "reload") == {
        ("1", 1, "unchanged"), ("1", 10, "unchanged"), ("2", 4, "unchanged"), ("2", 6, "unchanged")
    }  # fmt: skip


def test_a_day_between_two_needed_days_is_kept_if_it_changed(connector: ScriptedConnector, stores: Stores) -> None:
    load(connector, stores)
    connector.rows["2"] = [row(day, clicks="7") if day in days(5) else row(day) for day in CHUNK.days()]
    ingest(connector, REPORT, CHUNK, stores, IngestRun("reload", days={"2": days(4, 6)}))
    assert ("2", 5, "loaded") in ledger(stores, "reload")
    assert [values[2] for values in current_rows(stores.warehouse)[("2", date(2026, 10, 5))]] == ["7"]


def test_a_run_without_days_sends_no_request(connector: ScriptedConnector, stores: Stores) -> None:
    load(connector, stores)
    result = ingest(connector, REPORT, CHUNK, stores, IngestRun("build only", days={}))
    assert connector.pulls == [] and result.failed == [] and ledger(stores, "build only") == set()


class FailsOnTheTenth(ScriptedConnector):
    """Answers requests for earlier days."""

    error: AccountError | QuotaError | None = None

    def extract(self, report, account, window):  # type: ignore[no-untyped-def]
        if self.error and CHUNK.last in window:
            self.pulls.append((account.account_id, window))
            raise self.error
        yield from super().extract(report, account, window)


def test_a_failure_in_an_accounts_second_request_keeps_its_first_and_the_retry_extracts_the_rest(
    stores: Stores,
) -> None:
    connector = FailsOnTheTenth()
    load(connector, stores)
    connector.error = QuotaError("quota used up", retry_after_seconds=1)
    run = IngestRun("reload", days={"1": days(1, 10)})
    result = ingest(connector, REPORT, CHUNK, stores, run)
    assert [account.account_id for account in result.failed] == ["1"]
    assert ledger(stores, "reload") == {("1", 1, "unchanged")}
    connector.error = None
    connector.pulls.clear()
    again = ingest(connector, REPORT, CHUNK, stores, IngestRun("reload", days=run.days, earlier=result))
    assert again.failed == []
    assert [(a, w.start.day, w.last.day) for a, w in connector.pulls] == [("1", 10, 10)]
