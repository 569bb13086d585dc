"""Raw after an extract: everything new, once and complete, and nothing of a refused answer."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.errors import AccountError, HistoryError, PlatformError, QuotaError
from mdp_dagster.ingest import ingestion as run_module
from mdp_dagster.ingest import parallel_extract
from mdp_dagster.ingest.extraction import Answer
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.landing import Extract
from mdp_dagster.ingest.rebuild import rebuild_raw
from mdp_dagster.ingest.result import IngestError
from mdp_dagster.ingest.run_files import RunFiles
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.lake import LakeError
from mdp_dagster.window import DateWindow
from tests.support.limits import HANG_SECONDS

from .conftest import make_stores
from .current import CONTENT, counts, current_rows
from .scripted import DECLARED, REPORT, ScriptedConnector, row

LAST = date.today() - timedelta(days=3)
WINDOW = DateWindow(LAST - timedelta(days=4), LAST + timedelta(days=1))
D1, D2, D3, D4, D5 = WINDOW.days()
RAW = REPORT.table


def pull(connector: ScriptedConnector, stores: Stores, window: DateWindow = WINDOW, run: str = "run") -> object:
    return ingest(connector, REPORT, window, stores, IngestRun(run))


def test_an_extract_shows_the_sources_rows_and_a_second_one_appends_nothing(
    connector: ScriptedConnector, stores: Stores
) -> None:
    connector.rows = {"1": [row(D1), row(D2), row(D2, "c2")], "2": [row(D5)]}
    first = ingest(connector, REPORT, WINDOW, stores, IngestRun("run1"))
    assert (first.received, first.rejected, first.restated_days) == (4, 0, [])
    assert first.accounts["1"].days_loaded == 5  # days without rows are known to have none
    assert first.money() == {("spend", "EUR"): 6.0}
    before = counts(stores.warehouse)

    second = ingest(connector, REPORT, WINDOW, stores, IngestRun("run2"))
    assert second.accounts["1"].days_loaded == 0 and second.accounts["1"].days_unchanged == 5
    after = counts(stores.warehouse)
    assert after == {**before, "raw__extracts": before["raw__extracts"] + 10}
    assert set(current_rows(stores.warehouse)) == {("1", D1), ("1", D2), ("2", D5)}


def test_restated_emptied_and_returned_days(connector: ScriptedConnector, stores: Stores) -> None:
    original = [row(D1, spend="1.00"), row(D2), row(D3)]
    connector.rows = {"1": original}
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))

    connector.rows = {"1": [row(D1, spend="2.00"), row(D3)]}
    restated = ingest(connector, REPORT, WINDOW, stores, IngestRun("b"))
    assert restated.restated_days == [D1, D2]
    assert restated.accounts["1"].days_loaded == 2
    shown = current_rows(stores.warehouse)
    assert shown["1", D1][0][CONTENT.index("spend")] == "2.00"
    assert ("1", D2) not in shown

    connector.rows = {"1": original}
    returned = ingest(connector, REPORT, WINDOW, stores, IngestRun("c"))
    assert returned.restated_days == [D1, D2]
    assert current_rows(stores.warehouse)["1", D1][0][CONTENT.index("spend")] == "1.00"


def test_one_accounts_failure_does_not_stop_the_others(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1)]}
    connector.errors = {"2": AccountError("The customer account isn't enabled", "enable it")}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert [a.account_id for a in result.failed] == ["2"]
    assert "isn't enabled → enable it" in result.accounts["2"].failure
    assert set(current_rows(stores.warehouse)) == {("1", D1)}


def test_a_thread_holds_one_answer_at_a_time(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many accounts there are: an answer goes to the run's file, and is released before the next request."""
    connector.max_parallel_accounts = 1
    accounts = [str(n) for n in range(5)]
    stores = make_stores(Path(stores.lake.uri).parent, accounts)
    connector.rows = {account: [row(D1), row(D2)] for account in accounts}
    landed: list[int] = []
    held: list[int] = []
    added: list[str] = []
    received: list[weakref.ref[Answer]] = []
    request, add = parallel_extract.request_answer, RunFiles.add

    def counting(*arguments: Any) -> Answer:
        landed.append(len(added))
        held.append(sum(answer() is not None for answer in received))
        answer = request(*arguments)
        received.append(weakref.ref(answer))
        return answer

    def adding(files: RunFiles, extract: Extract, rows: pa.Table) -> None:
        added.append(extract.account_id)
        add(files, extract, rows)

    monkeypatch.setattr(parallel_extract, "request_answer", counting)
    monkeypatch.setattr(RunFiles, "add", adding)
    ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert landed == [0, 1, 2, 3, 4]
    assert held == [0, 0, 0, 0, 0]
    assert set(current_rows(stores.warehouse)) == {(account, day) for account in accounts for day in (D1, D2)}


def test_a_failure_that_concerns_every_account_stops_the_others(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Active requests end, no other account begins, and nothing is landed that would not be committed."""
    stores = make_stores(Path(stores.lake.uri).parent, ["1", "2", "3", "4"])
    connector.max_parallel_accounts = 2
    connector.rows = {account: [row(D1)] for account in ("2", "3", "4")}
    connector.errors = {"1": PlatformError("no developer token", "set it")}
    answer = connector.extract
    asked, refused = threading.Event(), threading.Event()

    def one_after_the_other(
        report: DayReport, account: PlatformAccount, window: DateWindow
    ) -> Iterator[pa.RecordBatch]:
        if account.account_id == "1":
            assert asked.wait(HANG_SECONDS)
            refused.set()
        else:
            asked.set()
            assert refused.wait(HANG_SECONDS)
            time.sleep(0.2)
        yield from answer(report, account, window)

    monkeypatch.setattr(connector, "extract", one_after_the_other)
    with pytest.raises(PlatformError, match="no developer token"):
        ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert sorted(connector.pulls) == [("1", WINDOW), ("2", WINDOW)]
    assert list(stores.lake.files()) == []
    assert counts(stores.warehouse)["raw__extracts"] == 0


def test_every_account_failing_fails_the_report(connector: ScriptedConnector, stores: Stores) -> None:
    connector.errors = {"1": AccountError("gone"), "2": AccountError("gone too")}
    with pytest.raises(IngestError, match="(?s)no account could be extracted.*1 .*gone.*2 .*gone too"):
        pull(connector, stores)


def test_a_failure_that_concerns_every_account_stops_at_once(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1)]}
    connector.errors = {"2": PlatformError("token expired", "renew it")}
    with pytest.raises(PlatformError, match="token expired → renew it"):
        pull(connector, stores)
    assert counts(stores.warehouse)["raw__extracts"] == 0


def test_after_a_used_up_quota_only_its_account_is_extracted_again(
    connector: ScriptedConnector, stores: Stores
) -> None:
    connector.rows = {"1": [row(D1)], "2": [row(D2)]}
    connector.errors = {"2": QuotaError("quota", 7200)}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert result.retry_after_seconds == 7200

    connector.errors, connector.pulls = {}, []
    again = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert again.failed == [] and [account for account, _ in connector.pulls] == ["2"]
    assert set(current_rows(stores.warehouse)) == {("1", D1), ("2", D2)}


def test_bad_rows_are_kept_as_rejects_with_their_reason(connector: ScriptedConnector, stores: Stores) -> None:
    good = [row(D1, f"c{n}") for n in range(100)]
    bad = [
        row(D1, None),
        row("2026-02-30", "x"),
        row(D1, "text", spend="abc", clicks="1.5"),
        row(D1, "nan", value=float("nan")),
        row(D1, "json", actions='{"a":1}'),
    ]
    connector.rows = {"1": good + bad}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert (result.received, result.rejected) == (105, 5)
    assert len(current_rows(stores.warehouse)["1", D1]) == 100
    rejects = stores.warehouse.query("select reason, payload, date from mdp_raw.raw__rejects").to_pylist()
    assert sorted(r["reason"] for r in rejects) == [
        "actions is not a list",
        "campaign_id is missing",
        "clicks is not a whole number; spend is not a decimal number",
        "day is not a day",
        "value is not a finite number",
    ]
    assert '"spend": "abc"' in next(r["payload"] for r in rejects if "spend" in r["reason"])


def test_too_many_rejects_commit_nothing_and_keep_the_evidence(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1), row(D1, "c2", spend="abc")], "2": [row(D1)]}
    with pytest.raises(IngestError, match=r"1 of 3 rows rejected, more than 5%.*\n.*1: spend is not a decimal"):
        pull(connector, stores)
    assert current_rows(stores.warehouse) == {}
    assert counts(stores.warehouse)["raw__rejects"] == 1
    rebuilt = rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert (rebuilt.extracts, rebuilt.refused) == (0, 2)
    assert current_rows(stores.warehouse) == {}
    assert counts(stores.warehouse)["raw__rejects"] == 1


def test_a_bad_row_in_a_small_account_costs_only_that_row(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1), row(D2), row(D3, spend="abc")], "2": [row(D1, f"c{n}") for n in range(100)]}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert result.failed == []
    assert set(current_rows(stores.warehouse)) == {("1", D1), ("1", D2), ("2", D1)}


def test_all_forms_of_numbers_in_json_are_valid(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1, clicks="30.0", spend="1e-05"), row(D2, clicks="30.5")] + [row(D3)] * 30}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert (result.rejected, result.accounts["1"].reject_reasons) == (1, "clicks is not a whole number (1×)")


def test_an_account_with_mostly_invalid_rows_keeps_its_old_days(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1)], "2": [row(D1, f"c{n}") for n in range(100)]}
    pull(connector, stores, run="a")
    connector.rows["1"] = [row(D1, spend="abc")]
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("b"))
    assert [a.account_id for a in result.failed] == ["1"]
    assert set(current_rows(stores.warehouse)) == {("1", D1), ("2", D1)}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"period_end": str(D3)}, "the row covers more than one day: period_end is not day"),
        ({"period_end": ""}, "the row covers more than one day: period_end is not day"),
        ({"owner": 2}, "owner is not the extracted account 1"),
        ({"currency": "USD"}, "currency is not EUR, the account's currency"),
    ],
)
def test_rows_that_break_a_declared_fact_are_rejected_and_the_old_days_stay(
    wrong: dict[str, object], reason: str, connector: ScriptedConnector, stores: Stores
) -> None:
    def good(day: date, campaign: str, owner: int) -> dict[str, object]:
        return row(day, campaign, period_end=str(day), owner=owner, currency="EUR")

    connector.rows = {
        "1": [good(day, "c1", 1) for day in (D1, D2, D3)],
        "2": [good(D1, f"c{number}", 2) for number in range(100)],
    }
    first = ingest(connector, DECLARED, WINDOW, stores, IngestRun("a"))
    assert (first.failed, first.rejected) == ([], 0)
    days = set(current_rows(stores.warehouse))
    connector.rows["1"] = [good(D1, "c1", 1) | {"spend": "40000.00"} | wrong]
    result = ingest(connector, DECLARED, WINDOW, stores, IngestRun("b"))
    assert [account.failure for account in result.failed] == [f"1 of 1 rows rejected: {reason} (1×)"]
    assert set(current_rows(stores.warehouse)) == days
    spend = "select max(cast(spend as double)) as s from mdp_raw.raw_scripted__campaign_daily"
    assert stores.warehouse.query(spend).to_pylist() == [{"s": 1.5}]


def test_a_bad_value_in_a_side_column_keeps_the_row_as_received(connector: ScriptedConnector, stores: Stores) -> None:
    columns = tuple(replace(c, essential=c.name not in ("clicks", "actions")) for c in REPORT.columns)
    report = replace(REPORT, columns=columns)
    connector.rows = {"1": [row(D1, "c1", clicks="", actions="N/A"), row(D1, "c2", clicks="1e3")]}
    result = ingest(connector, report, WINDOW, stores, IngestRun("a"))
    assert (result.rejected, result.money()) == (0, {("spend", "EUR"): 3.0})
    raw = stores.warehouse.query(f"select clicks, actions from mdp_raw.{RAW} order by campaign_id").to_pylist()
    assert raw == [{"clicks": "", "actions": "N/A"}, {"clicks": "1e3", "actions": None}]


def test_numbers_that_arrow_does_not_read_are_added_up(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1, "c1", spend="+4.5"), row(D1, "c2", spend=" .5"), row(D1, "c3", spend="1e3")]}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert (result.rejected, result.money()) == (0, {("spend", "EUR"): 1005.0})


def test_a_number_that_staging_cannot_hold_is_rejected(connector: ScriptedConnector, stores: Stores) -> None:
    good = [row(D2, f"c{number}") for number in range(60)]
    connector.rows = {"1": [row(D1, spend="1e99"), row(D1, "c2", value=1e40), *good]}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert result.accounts["1"].reject_reasons == "spend is not a decimal number (1×); value is too large (1×)"


def test_facts_that_an_answer_leaves_out_reject_nothing(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1), row(D2, currency="")]}
    assert ingest(connector, DECLARED, WINDOW, stores, IngestRun("a")).rejected == 0


def test_a_day_that_was_not_answered_keeps_its_rows_and_leaves_no_trace(
    connector: ScriptedConnector, stores: Stores
) -> None:
    """A missing day is not an empty day."""
    connector.rows = {"1": [row(D1), row(D2)], "2": [row(D1)]}
    pull(connector, stores, run="a")
    connector.rows = {"1": [row(D2, spend="9.00")], "2": [row(D1)]}
    connector.not_answered = {"1": {D1, D3}}
    before = counts(stores.warehouse)["raw__extracts"]
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("b"))
    assert set(current_rows(stores.warehouse)) == {("1", D1), ("1", D2), ("2", D1)}
    assert counts(stores.warehouse)["raw__extracts"] == before + 3 + 5
    assert (result.days_not_answered, result.restated_days, result.failed) == ([D1, D3], [D2], [])
    assert (result.accounts["1"].days_loaded, result.accounts["1"].days_unchanged) == (1, 2)

    connector.not_answered, connector.pulls = {}, []
    connector.rows["1"] = [row(D2, spend="9.00")]
    again = ingest(connector, REPORT, WINDOW, stores, IngestRun("b"))
    assert [account for account, _ in connector.pulls] == ["1"], "the same run requests only what is missing"
    assert again.restated_days == [D1] and again.days_not_answered == []
    assert set(current_rows(stores.warehouse)) == {("1", D2), ("2", D1)}, "now the source answered: the day is empty"


def test_an_account_without_any_answered_day_leaves_no_trace(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"2": [row(D1)]}
    connector.not_answered = {"1": set(WINDOW.days())}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert (result.failed, result.days_not_answered) == ([], [*WINDOW.days()])
    assert counts(stores.warehouse)["raw__extracts"] == 5
    assert rebuild_raw(stores.lake, stores.warehouse, [REPORT]).extracts == 1


def test_rows_for_a_day_that_was_reported_as_not_answered_fail_the_account(
    connector: ScriptedConnector, stores: Stores
) -> None:
    connector.rows = {"1": [row(D1)], "2": [row(D1)]}
    connector.not_answered = {"1": {D1}}
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("run"))
    assert f"rows were received for days that were reported as not answered: {D1}" in result.accounts["1"].failure
    assert set(current_rows(stores.warehouse)) == {("2", D1)}


def test_duplicates_are_counted(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1), row(D1), row(D1, "c2")]}
    assert ingest(connector, REPORT, WINDOW, stores, IngestRun("run")).accounts["1"].duplicates == 1


def test_a_long_window_is_extracted_in_chunks(connector: ScriptedConnector, stores: Stores) -> None:
    window = DateWindow(LAST - timedelta(days=24), LAST + timedelta(days=1))
    connector.rows = {"1": [row(day) for day in window.days()]}
    assert ingest(connector, REPORT, window, stores, IngestRun("run")).received == 25
    assert sorted(len(w) for account, w in connector.pulls if account == "1") == [5, 10, 10]
    assert len(current_rows(stores.warehouse)) == 25


def test_a_window_before_the_history_is_refused_before_any_request(
    connector: ScriptedConnector, stores: Stores
) -> None:
    with pytest.raises(HistoryError, match="37 months"):
        pull(connector, stores, DateWindow(date(2015, 1, 1), date(2015, 1, 3)))
    assert connector.pulls == []


def test_a_dying_process_shows_nothing_of_its_extract(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector.rows = {"1": [row(D1)]}

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run_module, "_commit", die)
        pull(connector, stores)
    assert current_rows(stores.warehouse) == {}
    connector.rows = {"1": [row(D1, spend="9.00")]}
    pull(connector, stores)
    assert current_rows(stores.warehouse)["1", D1][0][CONTENT.index("spend")] == "9.00"


def test_raw_comes_back_from_the_lake_alone(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1), row(D2)], "2": [row(D1, f"c{n}") for n in range(50)] + [row(D1, None)]}
    pull(connector, stores, run="a")
    connector.rows["1"] = [row(D2, spend="7.77")]
    pull(connector, stores, run="b")
    tables = [RAW, "raw__extracts", "raw__rejects"]
    before = {name: sorted(map(str, stores.warehouse.query(f"from mdp_raw.{name}").to_pylist())) for name in tables}
    shown = current_rows(stores.warehouse)

    stores.warehouse.path.unlink()  # type: ignore[attr-defined]
    rebuilt = rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert rebuilt.extracts == 4
    after = {name: sorted(map(str, stores.warehouse.query(f"from mdp_raw.{name}").to_pylist())) for name in tables}
    assert after == before and current_rows(stores.warehouse) == shown
    assert counts(stores.warehouse)["raw__accounts"] == 2


def test_a_full_disk_commits_nothing_and_names_the_remedy(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector.rows = {"1": [row(D1)]}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
    with pytest.raises(LakeError, match="No space left.*free space.*MDP_LAKE_URI"):
        pull(connector, stores)
    assert counts(stores.warehouse)[RAW] == 0
    assert list(stores.lake.files()) == []


def test_a_clock_that_was_set_back_does_not_make_old_rows_the_newest(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mdp_dagster.ingest import extraction

    connector.rows = {"1": [row(D1, spend="1.00")]}
    pull(connector, stores, run="a")
    now = extraction.utc_now()
    monkeypatch.setattr(extraction, "utc_now", lambda: now - timedelta(days=2))
    connector.rows = {"1": [row(D1, spend="2.00")]}
    pull(connector, stores, run="b")
    assert current_rows(stores.warehouse)["1", D1][0][CONTENT.index("spend")] == "2.00"
