"""An answer that would empty or sharply shrink a day under an unchanged total does not replace good rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from mdp_dagster.connectors.base import DayReport, NotAnswered, PlatformAccount
from mdp_dagster.connectors.errors import AccountError, PlatformError, QuotaError
from mdp_dagster.ingest import account_totals, shrunk_answers
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.landing import REFUSED_FOLDER, landed, landed_paths
from mdp_dagster.ingest.lateness import Reason
from mdp_dagster.ingest.ledger import current_totals
from mdp_dagster.ingest.probe import ProbeResult, ProbeRun, probe
from mdp_dagster.ingest.rebuild import rebuild_raw
from mdp_dagster.ingest.result import IngestError, IngestResult
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.watched_reports import DetailReport, WatchedReports
from mdp_dagster.window import DateWindow

from .current import counts, current_rows
from .scripted import REPORT, TOTALS, TotalsConnector, row

CAMPAIGNS = replace(REPORT, adds_up_to=TOTALS.name)
TODAY = date.today()
D1, D2, D3 = (TODAY - timedelta(days=n) for n in (13, 12, 11))
WINDOW = DateWindow.of_days(D1, D3)
BOTH = DateWindow.of_days(D2, D3)
SPENDS = ("9000.00", "50.00", "20.00", "10.00")
GOOD = {D1: 9080.0, D2: 9080.0, D3: 9080.0}


class Faulty(TotalsConnector):
    """A source that answers a number of account 1's campaign requests with only a part of its rows."""

    reports = (TOTALS, CAMPAIGNS)

    def __init__(self) -> None:
        super().__init__()
        self.faulty_answers = 0
        self.keep: Callable[[dict[str, object]], bool] = lambda _: False
        self.changes: dict[str, object] = {}
        self.totals_error: Exception | None = None
        self.unanswered_totals: set[date] = set()

    def extract(
        self, report: DayReport, account: PlatformAccount, window: DateWindow
    ) -> Iterator[pa.RecordBatch | NotAnswered]:
        parts = super().extract(report, account, window)
        if report is TOTALS:
            if self.totals_error:
                raise self.totals_error
            hidden = {str(day) for day in self.unanswered_totals}
            yield from (_filtered(part, report, lambda r: r["day"] not in hidden) for part in parts)
            yield NotAnswered(frozenset(self.unanswered_totals))
        elif account.account_id == "1" and self.faulty_answers > 0:
            self.faulty_answers -= 1
            yield from (_filtered(part, report, self.keep, self.changes) for part in parts)
        else:
            yield from parts


def _filtered(
    part: pa.RecordBatch | NotAnswered,
    report: DayReport,
    keep: Callable[[dict[str, object]], bool],
    changes: dict[str, object] | None = None,
) -> pa.RecordBatch | NotAnswered:
    if isinstance(part, NotAnswered):
        return part
    return pa.RecordBatch.from_pylist([{**r, **(changes or {})} for r in part.to_pylist() if keep(r)], report.schema)


@pytest.fixture
def source(stores: Stores) -> Faulty:
    """Two accounts with 9,080.00 on each of three days, extracted with their totals."""
    source = Faulty()
    source.rows = {
        account: [row(day, f"c{n}", spend=spend) for day in (D1, D2, D3) for n, spend in enumerate(SPENDS)]
        for account in ("1", "2")
    }
    for report in (TOTALS, CAMPAIGNS):
        ingest(source, report, WINDOW, stores, IngestRun("first"))
    source.looks.clear()
    source.pulls.clear()
    return source


def reload(source: Faulty, stores: Stores, run: IngestRun | None = None) -> IngestResult:
    return ingest(source, CAMPAIGNS, BOTH, stores, run or IngestRun("reload"))


def look(source: Faulty, stores: Stores) -> ProbeResult:
    return probe(source, WatchedReports(TOTALS, (DetailReport(CAMPAIGNS),)), WINDOW, stores, ProbeRun("probe"))


def spend(stores: Stores, account: str = "1") -> dict[date, float]:
    """The account's current spend in raw, by day."""
    column = [c.name for c in REPORT.columns].index("spend")
    return {
        day: sum(float(r[column]) for r in rows)
        for (of_account, day), rows in current_rows(stores.warehouse).items()
        if of_account == account
    }


def failed(result: IngestResult) -> list[str]:
    return [account.account_id for account in result.failed]


def change(source: Faulty, day: date, **values: object) -> None:
    for r in source.rows["1"]:
        if (r["day"], r["campaign_id"]) == (str(day), "c0"):
            r.update(values)


def test_an_empty_answer_under_an_unchanged_total_empties_no_day(source: Faulty, stores: Stores) -> None:
    """Conversions moved and a reload is requested. At that moment one account's campaigns answer with no rows."""
    change(source, D2, value=4.0)
    change(source, D3, value=4.0)
    restated = [(D2, Reason.RESTATED), (D3, Reason.RESTATED)]
    assert [(late.date, late.reason) for late in look(source, stores).late] == restated
    source.faulty_answers = 3
    result = reload(source, stores)

    assert spend(stores) == GOOD and spend(stores, "2") == GOOD
    assert failed(result) == ["1"] and result.restated_days == []
    failure = result.accounts["1"].failure
    assert "2 days are held back" in failure and "next extract" in failure
    assert f"{D2} (spend 9,080.00 before, 0.00 in the answer, 9,080.00 in the account's total)" in failure
    assert source.pulls.count(("1", BOTH)) == 3, "the request and two repeats"

    assert [(late.date, late.reason) for late in look(source, stores).late] == restated, "the days stay late"
    again = reload(source, stores, IngestRun("next reload"))
    assert failed(again) == [] and again.restated_days == [D2, D3]
    assert spend(stores) == GOOD
    assert look(source, stores).late == []


@pytest.mark.parametrize("faulty_answers", [1, 2])
def test_an_answer_that_is_right_when_repeated_is_committed_at_once(
    source: Faulty, stores: Stores, faulty_answers: int
) -> None:
    change(source, D2, spend="9500.00")
    source.faulty_answers = faulty_answers
    result = reload(source, stores)
    assert failed(result) == [] and result.restated_days == [D2]
    assert spend(stores) == {**GOOD, D2: 9580.0}
    assert source.pulls.count(("1", BOTH)) == 1 + faulty_answers


def test_days_that_the_source_emptied_are_emptied(source: Faulty, stores: Stores) -> None:
    source.rows["1"] = [r for r in source.rows["1"] if r["day"] == str(D1)]
    look(source, stores)
    source.looks.clear()
    result = reload(source, stores)
    assert failed(result) == [] and result.restated_days == [D2, D3]
    assert spend(stores) == {D1: 9080.0}
    assert (source.looks, source.pulls.count(("1", BOTH))) == ([], 1)


def test_a_fresh_total_confirms_days_that_were_emptied_after_the_last_probe(source: Faulty, stores: Stores) -> None:
    source.rows["1"] = [r for r in source.rows["1"] if r["day"] == str(D1)]
    assert failed(reload(source, stores)) == []
    assert spend(stores) == {D1: 9080.0}
    assert (source.looks, source.pulls.count(("1", BOTH))) == ([("1", BOTH)], 1)


def test_a_partial_answer_holds_back_only_the_days_that_shrink(source: Faulty, stores: Stores) -> None:
    """One of four campaigns is missing on one day, with nearly all of its money. Another day was really restated."""
    change(source, D2, spend="9100.00")
    source.keep = lambda r: (r["day"], r["campaign_id"]) != (str(D3), "c0")
    source.faulty_answers = 3
    result = reload(source, stores)
    assert spend(stores) == {**GOOD, D2: 9180.0}
    assert result.restated_days == [D2]
    failure = result.accounts["1"].failure
    assert "1 day is held back" in failure and str(D3) in failure and str(D2) not in failure


def test_a_day_that_loses_most_rows_and_little_money_is_held_back(source: Faulty, stores: Stores) -> None:
    source.keep = lambda r: r["campaign_id"] == "c0"
    source.faulty_answers = 3
    assert failed(reload(source, stores)) == ["1"]
    assert spend(stores) == GOOD


def test_a_day_with_all_rows_and_no_money_is_held_back(source: Faulty, stores: Stores) -> None:
    source.faulty_answers, source.keep, source.changes = 9, lambda _: True, {"spend": "0.00"}
    result = reload(source, stores)
    assert failed(result) == ["1"]
    assert spend(stores) == GOOD


def test_a_day_that_loses_less_than_half_is_committed_without_a_further_request(source: Faulty, stores: Stores) -> None:
    source.keep = lambda r: r["campaign_id"] != "c3"
    source.faulty_answers = 3
    assert failed(reload(source, stores)) == []
    assert spend(stores) == {**GOOD, D2: 9070.0, D3: 9070.0}
    assert (source.looks, source.pulls.count(("1", BOTH))) == ([], 1)


def test_the_answer_is_kept_as_evidence_that_a_rebuild_does_not_load(source: Faulty, stores: Stores) -> None:
    source.keep = lambda r: r["campaign_id"] == "c3"
    source.faulty_answers = 3
    before = counts(stores.warehouse)["raw__extracts"]
    reload(source, stores)
    [refused] = [path for path in landed_paths(stores.lake) if path.startswith(f"{REFUSED_FOLDER}/")]
    [extract] = landed(stores.lake, refused).extracts
    assert extract.account_id == "1"
    assert [(day.date, day.content.row_count) for day in extract.days] == [(D2, 1), (D3, 1)]
    rows = stores.lake.read(stores.lake.address(refused)).to_pylist()
    assert {(r["date"], r["spend"]) for r in rows} == {(D2, "10.00"), (D3, "10.00")}
    assert counts(stores.warehouse)["raw__extracts"] == before + 2, "the other account's two days"
    rebuild_raw(stores.lake, stores.warehouse, Faulty.reports)
    assert spend(stores) == GOOD


def test_without_a_known_total_the_answer_counts(stores: Stores) -> None:
    source = Faulty()
    source.rows = {"1": [row(day) for day in (D2, D3)]}
    ingest(source, CAMPAIGNS, WINDOW, stores, IngestRun("first"))
    source.faulty_answers = 1
    assert failed(reload(source, stores)) == []
    assert spend(stores) == {} and source.looks == []


def test_a_report_that_does_not_add_up_to_a_total_is_not_compared(source: Faulty, stores: Stores) -> None:
    source.faulty_answers = 1
    assert failed(ingest(source, REPORT, BOTH, stores, IngestRun("reload"))) == []
    assert spend(stores) == {D1: 9080.0} and source.looks == []


def _unexpected(*_: object, **__: object) -> None:
    raise AssertionError("read")


def test_an_unchanged_answer_reads_and_requests_nothing(
    source: Faulty, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_totals, "current_totals", _unexpected)
    assert reload(source, stores).restated_days == []
    assert source.looks == []


def test_changed_days_read_the_known_totals_of_all_accounts_once(
    source: Faulty, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days that did not shrink do not read the earlier rows, and do not request a total."""
    reads: list[object] = []

    def counted(*arguments: Any) -> list[dict[str, Any]]:
        reads.append(arguments)
        return current_totals(*arguments)

    monkeypatch.setattr(account_totals, "current_totals", counted)
    monkeypatch.setattr(shrunk_answers, "amounts_of_versions", _unexpected)
    change(source, D2, spend="8000.00", value=0.9)
    source.rows["1"].append(row(D3, "new"))
    source.rows["2"].append(row(D3, "new", spend="7.00"))
    assert reload(source, stores).restated_days == [D2, D3]
    assert len(reads) == 1 and source.looks == []


@pytest.mark.parametrize(
    "lost", [{"spend": "900.00"}, {"spend": "9.00"}, {"value": 0.25}, {"value": 0.0}, {"clicks": "0"}]
)
def test_a_day_with_all_rows_and_less_than_half_of_an_amount_is_held_back(
    source: Faulty, stores: Stores, lost: dict[str, object]
) -> None:
    """Another amount was really restated, and fell too."""
    for r in source.rows["1"]:
        r["value"] = 40.0
    for report in (TOTALS, CAMPAIGNS):
        ingest(source, report, WINDOW, stores, IngestRun("more conversions"))
    change(source, D2, **({"clicks": "0"} if "spend" in lost else {"spend": "8999.00"}))
    look(source, stores)
    source.faulty_answers, source.keep, source.changes = 9, lambda _: True, lost
    result = reload(source, stores)
    assert failed(result) == ["1"]
    [name] = lost
    words = "conversions" if name == "value" else name
    assert f"{D2} ({words} " in result.accounts["1"].failure
    assert spend(stores) == GOOD


def test_amounts_that_the_source_lowered_are_published(source: Faulty, stores: Stores) -> None:
    """The source withdrew clicks, spend and conversions. A fresh total confirms what happened after the last probe."""
    for day in (D2, D3):
        change(source, day, spend="90.00", clicks="0", value=0.0)
    assert failed(reload(source, stores)) == []
    assert spend(stores) == {**GOOD, D2: 170.0, D3: 170.0}
    assert source.looks == [("1", BOTH)]


def test_one_withdrawn_conversion_needs_no_confirmation(source: Faulty, stores: Stores) -> None:
    for r in source.rows["1"]:
        r["value"] = 0.5
    for report in (TOTALS, CAMPAIGNS):
        ingest(source, report, WINDOW, stores, IngestRun("few conversions"))
    source.looks.clear()
    source.faulty_answers, source.keep, source.changes = 9, lambda _: True, {"value": 0.25}
    assert failed(reload(source, stores)) == []
    assert source.looks == []


def test_days_that_were_not_answered_have_not_shrunk(source: Faulty, stores: Stores) -> None:
    source.rows["1"] = [r for r in source.rows["1"] if r["day"] != str(D3)]
    source.not_answered = {"1": {D3}}
    assert failed(reload(source, stores)) == []
    assert spend(stores) == GOOD and source.looks == []


@pytest.mark.parametrize("no_total", ["error", "not answered", "rejected"])
def test_if_a_fresh_total_cannot_be_read_the_known_total_counts(source: Faulty, stores: Stores, no_total: str) -> None:
    source.faulty_answers = 3
    if no_total == "error":
        source.totals_error = AccountError("the totals are not available")
    elif no_total == "not answered":
        source.unanswered_totals = {D2, D3}
    else:
        source.side = {"spend": "rubbish"}
    assert failed(reload(source, stores)) == ["1"]
    assert spend(stores) == GOOD


def test_a_used_up_quota_of_the_fresh_total_postpones_the_account(source: Faulty, stores: Stores) -> None:
    source.faulty_answers = 1
    source.totals_error = QuotaError("too many requests", 120)
    result = reload(source, stores)
    assert result.retry_after_seconds == 120 and failed(result) == ["1"]
    assert spend(stores) == GOOD


def test_a_failure_that_concerns_all_accounts_ends_the_extract(source: Faulty, stores: Stores) -> None:
    source.faulty_answers = 1
    source.totals_error = PlatformError("the token has expired")
    with pytest.raises(PlatformError):
        reload(source, stores)
    assert spend(stores) == GOOD


def test_the_run_fails_only_if_no_account_has_a_committed_day(source: Faulty, stores: Stores) -> None:
    source.faulty_answers = 3
    source.keep = lambda r: r["day"] == str(D2)
    assert failed(reload(source, stores, IngestRun("one good day", only={"1"}))) == ["1"]
    source.faulty_answers = 3
    source.keep = lambda _: False
    with pytest.raises(IngestError, match="2 days are held back"):
        reload(source, stores, IngestRun("no good day", only={"1"}))
    assert spend(stores) == GOOD


def test_most_of_the_amounts_that_fell_decide(source: Faulty, stores: Stores) -> None:
    """The source emptied the day of its spend and clicks. A few conversions are still in the total."""
    source.rows["1"] = [r for r in source.rows["1"] if r["day"] != str(D3)]
    source.rows["1"].append(row(D3, "c9", spend="0.00", value=4.0, clicks="0"))
    source.faulty_answers = 1
    source.keep = lambda r: r["day"] == str(D2)
    assert failed(reload(source, stores)) == []
    assert spend(stores) == {D1: 9080.0, D2: 9080.0}
