"""Long windows: what is continued, what lies beyond the platform's history, and what the log says meanwhile."""

from __future__ import annotations

import logging
from datetime import date, timedelta

import pytest

from mdp_dagster.connectors.errors import HistoryError, PlatformError
from mdp_dagster.connectors.history import earliest_today, first_day, reachable, safe_first_day
from mdp_dagster.ingest import ledger
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.window import DateWindow
from tests.ingest.current import current_rows
from tests.ingest.scripted import REPORT, ScriptedConnector, row

LAST = date.today() - timedelta(days=3)
SETTLED = LAST - timedelta(days=200)  # long past the days that the platform rewrites
FIRST_KEPT = first_day(REPORT, earliest_today())


class Dying(ScriptedConnector):
    """Fails from the day ``dies_on`` on, for every account."""

    dies_on = date.max

    def extract(self, report, account, window):  # type: ignore[no-untyped-def]
        if self.dies_on in window:
            raise PlatformError("token expired", "renew it")
        yield from super().extract(report, account, window)


def three_chunks(first: date) -> DateWindow:
    return DateWindow(first, first + timedelta(days=25))


def interrupted(stores: Stores, window: DateWindow, run: str) -> Dying:
    connector = Dying()
    connector.rows = {"1": [row(day) for day in window.days()], "2": [row(window.start)]}
    connector.dies_on = window.last
    with pytest.raises(PlatformError):
        ingest(connector, REPORT, window, stores, IngestRun(run))
    assert len(connector.pulls) == 4
    connector.dies_on, connector.pulls = date.max, []
    return connector


def test_a_run_that_continues_others_extracts_only_what_none_of_them_committed(stores: Stores) -> None:
    window = three_chunks(SETTLED)
    connector = interrupted(stores, window, "a")
    connector.dies_on = window.last
    with pytest.raises(PlatformError):
        ingest(connector, REPORT, window, stores, IngestRun("b", continues=["a"]))
    assert connector.pulls == []

    connector.dies_on = date.max
    ingest(connector, REPORT, window, stores, IngestRun("c", continues=["b", "a"]))
    assert sorted({str(chunk) for _, chunk in connector.pulls}) == [
        f"{window.last - timedelta(days=4)}...{window.last}"
    ]
    assert len([key for key in current_rows(stores.warehouse) if key[0] == "1"]) == 25

    connector.pulls = []
    ingest(connector, REPORT, window, stores, IngestRun("d"))
    assert len(connector.pulls) == 6


def test_days_that_were_still_changing_are_extracted_again_when_the_run_is_continued_much_later(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = three_chunks(LAST - timedelta(days=24))
    settled = three_chunks(SETTLED)
    for window in (moving, settled):
        interrupted(stores, window, "a")
    now = ledger.utc_now()
    monkeypatch.setattr(ledger, "utc_now", lambda: now + timedelta(hours=25))
    for window, chunks in ((moving, 3), (settled, 1)):
        connector = ScriptedConnector()
        connector.rows = {"1": [row(day) for day in window.days()]}
        ingest(connector, REPORT, window, stores, IngestRun("b", continues=["a"]))
        assert len(connector.pulls) == 2 * chunks


def test_the_log_lists_each_chunk_of_a_long_window(
    connector: ScriptedConnector, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mdp_dagster.ingest")
    window = three_chunks(SETTLED)
    connector.rows = {"1": [row(window.start), row(window.last)]}
    ingest(connector, REPORT, window, stores, IngestRun("a"))
    connector.rows = {"1": [row(window.start, spend="9.00"), row(window.last)]}
    ingest(connector, REPORT, window, stores, IngestRun("b"))
    ingest(connector, REPORT, window, stores, IngestRun("c", continues=["b"]))
    ingest(connector, REPORT, DateWindow(window.start, window.start + timedelta(days=1)), stores, IngestRun("d"))
    told = [record.getMessage() for record in caplog.records if ": chunk " in record.getMessage()]
    first = f"({window.start}...{window.start + timedelta(days=9)})"
    assert len(told) == 9
    assert told[3] == f"{REPORT.table}: chunk 1 of 3 {first}: 2 accounts, 1 rows, 1 restated days"
    assert told[6] == (
        f"{REPORT.table}: chunk 1 of 3 {first}: 0 accounts, 0 rows, 0 restated days; 2 accounts were committed before"
    )


def test_a_window_that_begins_too_early_is_extracted_from_the_first_day_that_is_left(
    connector: ScriptedConnector, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    window = DateWindow(FIRST_KEPT - timedelta(days=25), FIRST_KEPT + timedelta(days=30))
    result = ingest(connector, REPORT, window, stores, IngestRun("a"))
    pulled = [chunk for account, chunk in connector.pulls if account == "1"]
    assert pulled[0].start == safe_first_day(REPORT) and pulled[-1].end == window.end
    # the chunks are those of the whole window: continued tomorrow, it has the same ones
    assert {(chunk.end - window.start).days % 10 for chunk in pulled[:-1]} == {0}
    assert result.days_beyond_history == (safe_first_day(REPORT) - window.start).days
    assert f"{result.days_beyond_history} days of {window} are before the source's history" in caplog.text


def test_a_window_that_begins_within_the_history_is_requested_unchanged() -> None:
    """Even if a source counts more strictly: then its refusal has the reason."""
    edge = DateWindow(FIRST_KEPT, FIRST_KEPT + timedelta(days=2))
    assert reachable(REPORT, edge) == edge
    assert reachable(REPORT, DateWindow(FIRST_KEPT - timedelta(days=9), FIRST_KEPT)) is None
    assert FIRST_KEPT <= safe_first_day(REPORT) <= FIRST_KEPT + timedelta(days=7)


def test_a_window_beyond_the_history_is_refused_unless_raw_has_days_of_it(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = DateWindow(date(2015, 1, 1), date(2015, 1, 31))
    with pytest.raises(HistoryError, match="37 months.*→ begin at"):
        ingest(connector, REPORT, window, stores, IngestRun("a"))

    connector.rows = {"1": [row("2015-01-05")]}
    with monkeypatch.context() as long_ago:
        long_ago.setattr("mdp_dagster.connectors.history.earliest_today", lambda: date(2015, 2, 1))
        ingest(connector, REPORT, DateWindow(date(2015, 1, 5), date(2015, 1, 6)), stores, IngestRun("b"))
    before, connector.pulls = current_rows(stores.warehouse), []
    result = ingest(connector, REPORT, window, stores, IngestRun("c"))
    assert (result.days_beyond_history, result.received, result.failed, connector.pulls) == (30, 0, [], [])
    assert current_rows(stores.warehouse) == before
