"""The probe: what it asks, what it leaves in the ledger, and which days it calls late."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.errors import AccountError, TransientError
from mdp_dagster.ingest import extraction
from mdp_dagster.ingest import lateness as lateness_module
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.lateness import Reason
from mdp_dagster.ingest.probe import ProbeResult, ProbeRun, probe
from mdp_dagster.ingest.result import IngestError
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.watched_reports import DetailReport, ReconciledBy, WatchedReports
from mdp_dagster.window import DateWindow

from .scripted import AD_REPORT, AMOUNTS, REPORT, TOTALS, WATCHED, WATCHED_WITH_ADS, TotalsConnector, row

TODAY = date.today()
ALL_DAYS = DateWindow.of_days(TODAY - timedelta(days=400), TODAY)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def days(first: int, last: int) -> DateWindow:
    return DateWindow.of_days(ago(first), ago(last))


@pytest.fixture
def connector() -> TotalsConnector:
    connector = TotalsConnector()
    connector.rows = {
        account: [row(ago(n), campaign) for n in range(40) for campaign in ("c1", "c2")] for account in ("1", "2")
    }
    return connector


def look(connector: TotalsConnector, stores: Stores, days: DateWindow = ALL_DAYS) -> ProbeResult:
    return probe(connector, WATCHED, days, stores, ProbeRun("probe"))


def load(connector: TotalsConnector, stores: Stores, window: DateWindow) -> None:
    """The daily run: totals, then campaigns."""
    ingest(connector, TOTALS, window, stores, IngestRun("run"))
    ingest(connector, REPORT, window, stores, IngestRun("run"))


def moved(probed: ProbeResult) -> list[tuple[str, int, float, float]]:
    """By how much the restated days have moved; there are no others."""
    assert {day.reason for day in probed.late} <= {Reason.RESTATED}
    return [
        (day.account_id, (TODAY - day.date).days, day.moved["spend"], day.moved["conversions"]) for day in probed.late
    ]


def late(probed: ProbeResult) -> list[tuple[str, int, Reason]]:
    return [(day.account_id, (TODAY - day.date).days, day.reason) for day in probed.late]


def change(connector: TotalsConnector, account: str, ago_: int, campaign: str = "c1", **values: object) -> None:
    for r in connector.rows[account]:
        if r["day"] == str(ago(ago_)) and r["campaign_id"] == campaign:
            r.update(values)


@pytest.fixture
def loaded(connector: TotalsConnector, stores: Stores) -> TotalsConnector:
    """Everything in the lookback loaded, and looked at."""
    load(connector, stores, days(28, 0))
    assert late(look(connector, stores)) == []
    connector.looks.clear()
    connector.pulls.clear()
    connector.lookups.clear()
    return connector


def test_one_request_per_account_for_the_whole_lookback(loaded: TotalsConnector, stores: Stores) -> None:
    look(loaded, stores)
    assert sorted(loaded.looks) == [("1", days(28, 0)), ("2", days(28, 0))]
    assert loaded.lookups == [] and loaded.pulls == []


def test_a_probe_that_finds_nothing_leaves_no_trace(
    loaded: TotalsConnector, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mdp_dagster")

    def traces() -> tuple[int, int]:
        rows = stores.warehouse.query("select count(*) as n from mdp_raw.raw__extracts").to_pylist()[0]["n"]
        return rows, len(list(stores.lake.files()))

    before = traces()
    assert look(loaded, stores).late == []
    assert traces() == before and not caplog.records
    change(loaded, "1", 5, spend="2.50")
    look(loaded, stores)
    assert [" account 1, " in record.getMessage() for record in caplog.records] == [True]
    assert traces() == (before[0] + 1, before[1] + 1)


def test_days_that_another_run_loads_during_the_probe_are_not_late(
    connector: TotalsConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(connector, TOTALS, days(28, 0), stores, IngestRun("totals"))
    assert len(look(connector, stores).late) == 2 * 29, "no campaigns yet"
    answer = connector.extract
    meanwhile = [lambda: ingest(connector, REPORT, days(28, 3), stores, IngestRun("another run"))]

    def slowly(report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        if meanwhile and report is TOTALS:
            meanwhile.pop()()
        yield from answer(report, account, window)

    monkeypatch.setattr(connector, "extract", slowly)
    assert late(look(connector, stores)) == [
        (account, n, Reason.NEVER_LOADED) for account in ("1", "2") for n in (2, 1, 0)
    ]


def test_without_accounts_nothing_is_requested(connector: TotalsConnector, stores: Stores) -> None:
    data = stores.clients.model_dump()
    data["clients"][0]["accounts"] = {"elsewhere": [{"id": "1"}]}
    stores = Stores(type(stores.clients).model_validate(data), stores.warehouse, stores.lake)
    assert look(connector, stores).late == []
    assert (connector.looks, connector.lookups) == ([], [])


def test_restated_days_are_late_until_they_are_extracted(loaded: TotalsConnector, stores: Stores) -> None:
    change(loaded, "1", 5, spend="2.50", value=4.0)
    change(loaded, "2", 20, value=0.0)
    probed = look(loaded, stores)
    assert moved(probed) == [("1", 5, 1.0, 3.0), ("2", 20, 0.0, -1.0)]
    # these totals are in the ledger now, but the days stay late until they are extracted
    assert look(loaded, stores).late == probed.late
    ingest(loaded, REPORT, days(5, 5), stores, IngestRun("reload", only={"1"}))
    assert loaded.pulls == [("1", days(5, 5))]
    assert late(look(loaded, stores)) == [("2", 20, Reason.RESTATED)]


def test_a_day_that_vanishes_or_appears_is_restated(loaded: TotalsConnector, stores: Stores) -> None:
    gone = loaded.rows["1"]
    loaded.rows["1"] = [r for r in gone if r["day"] != str(ago(3))]
    assert moved(look(loaded, stores)) == [("1", 3, -3.0, -2.0)]
    ingest(loaded, REPORT, days(3, 3), stores, IngestRun("reload"))
    loaded.rows["1"] = gone
    assert moved(look(loaded, stores)) == [("1", 3, 3.0, 2.0)]


def test_a_day_restated_and_restated_back_is_not_late(loaded: TotalsConnector, stores: Stores) -> None:
    change(loaded, "1", 5, spend="2.50")
    assert look(loaded, stores).late
    change(loaded, "1", 5, spend="1.50")
    assert look(loaded, stores).late == []


def test_a_day_is_late_until_every_detail_report_was_extracted(connector: TotalsConnector, stores: Stores) -> None:
    def find() -> list[tuple[str, int, Reason]]:
        return late(probe(connector, WATCHED_WITH_ADS, ALL_DAYS, stores, ProbeRun("probe")))

    load(connector, stores, days(28, 0))
    ingest(connector, AD_REPORT, days(28, 2), stores, IngestRun("run"))
    assert find() == [(account, n, Reason.NEVER_LOADED) for account in ("1", "2") for n in (1, 0)]
    ingest(connector, AD_REPORT, days(1, 0), stores, IngestRun("run"))
    assert find() == []

    change(connector, "1", 5, spend="2.50")
    assert find() == [("1", 5, Reason.RESTATED)]
    ingest(connector, REPORT, days(5, 5), stores, IngestRun("reload of the campaigns"))
    assert find() == [("1", 5, Reason.RESTATED)], "the ads still have the old day"
    ingest(connector, AD_REPORT, days(5, 5), stores, IngestRun("reload of the ads"))
    assert find() == []


def test_a_day_that_is_late_in_several_reports_has_the_first_reason(connector: TotalsConnector, stores: Stores) -> None:
    load(connector, stores, days(28, 0))
    ingest(connector, AD_REPORT, days(28, 6), stores, IngestRun("run"))
    change(connector, "1", 5, spend="2.50")
    ingest(connector, AD_REPORT, days(4, 0), stores, IngestRun("run"))
    found = probe(connector, WATCHED_WITH_ADS, ALL_DAYS, stores, ProbeRun("probe")).late
    assert [(day.account_id, day.date, day.reason) for day in found] == [
        ("1", ago(5), Reason.RESTATED), ("2", ago(5), Reason.NEVER_LOADED)
    ]  # fmt: skip
    assert found[0].moved == {"spend": 1.0, "conversions": 0.0, "clicks": 0.0}


def test_totals_that_were_not_answered_change_nothing(loaded: TotalsConnector, stores: Stores) -> None:
    change(loaded, "1", 5, spend="2.50")
    loaded.rows["1"] = [r for r in loaded.rows["1"] if r["day"] != str(ago(7))]
    loaded.not_answered = {"1": {ago(7)}}
    probed = look(loaded, stores)
    assert moved(probed) == [("1", 5, 1.0, 0.0)]
    assert probed.totals.days_not_answered == [ago(7)]


def test_days_never_loaded_are_late_inside_the_lookback(connector: TotalsConnector, stores: Stores) -> None:
    load(connector, stores, days(2, 0))
    expected = [(account, n, Reason.NEVER_LOADED) for account in ("1", "2") for n in range(28, 2, -1)]
    assert late(look(connector, stores)) == expected
    assert late(look(connector, stores, days(4, 0))) == [e for e in expected if e[1] <= 4]


def test_without_earlier_totals_a_day_is_compared_with_its_own_rows(connector: TotalsConnector, stores: Stores) -> None:
    ingest(connector, REPORT, days(28, 0), stores, IngestRun("campaigns alone"))
    change(connector, "2", 7, spend="9.50")
    assert moved(look(connector, stores)) == [("2", 7, 8.0, 0.0)]


def test_without_earlier_totals_every_measure_is_compared(connector: TotalsConnector, stores: Stores) -> None:
    ingest(connector, REPORT, days(28, 0), stores, IngestRun("campaigns alone"))
    change(connector, "2", 7, clicks="3")
    probed = look(connector, stores)
    assert moved(probed) == [("2", 7, 0.0, 0.0)] and probed.late[0].moved["clicks"] == 2.0


def test_names_and_reach_land_and_make_no_day_late(loaded: TotalsConnector, stores: Stores) -> None:
    versions = "select count(*) as n from mdp_raw.raw_scripted__account_daily"
    before = stores.warehouse.query(versions).to_pylist()[0]["n"]
    loaded.side = {"account_name": "Another name", "reach": "7"}
    assert look(loaded, stores).late == []
    assert stores.warehouse.query(versions).to_pylist()[0]["n"] == before + 2 * 29, "raw has every version"
    # a measure that moves together with them still counts
    loaded.side = {"account_name": "A third name", "reach": "8"}
    change(loaded, "1", 5, clicks="4")
    assert late(look(loaded, stores)) == [("1", 5, Reason.RESTATED)]
    loaded.side = {"account_name": "A third name", "reach": "not a number"}
    assert late(look(loaded, stores)) == [("1", 5, Reason.RESTATED)]


def test_the_digest_of_a_restatement_stays_the_same_while_only_reach_moves(
    loaded: TotalsConnector, stores: Stores
) -> None:
    """It decides whether the sensor waits before it requests the day again."""
    change(loaded, "1", 5, clicks="4")
    [first] = look(loaded, stores).late
    loaded.side = {"reach": "9"}
    [second] = look(loaded, stores).late
    assert first.totals == second.totals
    change(loaded, "1", 5, clicks="5")
    [third] = look(loaded, stores).late
    assert third.totals != first.totals


def test_ledger_rows_without_a_digest_of_amounts_are_compared_by_their_rows(
    loaded: TotalsConnector, stores: Stores
) -> None:
    """The ledger of an earlier version of MDP."""
    with duckdb.connect(str(stores.warehouse.path)) as connection:
        connection.execute("update mdp_raw.raw__extracts set amounts_digest = null")
    assert look(loaded, stores).late == []
    loaded.side = {"reach": "9"}
    assert look(loaded, stores).late == []
    change(loaded, "1", 5, spend="2.50")
    assert moved(look(loaded, stores)) == [("1", 5, 1.0, 0.0)]


def test_totals_are_read_with_the_accounts_present_options(stores: Stores) -> None:
    """The leads moved while purchases counted. They are late when leads count."""
    by_lead = replace(AMOUNTS["conversions"], read=lambda row, options: row["value"] if options else 0.0)
    amounts = {"spend": AMOUNTS["spend"], "conversions": by_lead}
    totals, report = replace(TOTALS, amounts=amounts), replace(REPORT, amounts=amounts)

    class Leads(TotalsConnector):
        reports = (totals, report)

        def extract(self, report, account, window):  # type: ignore[no-untyped-def]
            yield from super().extract(TOTALS if report is totals else report, account, window)

    leads = Leads()
    leads.rows = {"1": [row(ago(n)) for n in range(29)], "2": []}
    for part in (totals, report):
        ingest(leads, part, days(28, 0), stores, IngestRun("run"))
    watched = WatchedReports(totals, (DetailReport(report),))
    change(leads, "1", 5, value=4.0)
    assert probe(leads, watched, ALL_DAYS, stores, ProbeRun("probe")).late == []

    data = stores.clients.model_dump()
    data["clients"][0]["accounts"]["scripted"][0]["conversion_action_type"] = "lead"
    stores = Stores(type(stores.clients).model_validate(data), stores.warehouse, stores.lake)
    found = probe(leads, watched, ALL_DAYS, stores, ProbeRun("probe"))
    assert late(found) == [("1", 5, Reason.RESTATED)] and found.late[0].moved["conversions"] == 3.0


def test_a_client_can_have_a_lookback_of_its_own(connector: TotalsConnector, stores: Stores, tmp_path: Path) -> None:
    data = stores.clients.model_dump()
    data["clients"][0]["lookback_days"] = {"scripted": 33}
    stores = Stores(type(stores.clients).model_validate(data), stores.warehouse, stores.lake)
    look(connector, stores)
    assert sorted(connector.looks) == [("1", days(33, 0)), ("2", days(33, 0))]
    assert stores.warehouse.query("select distinct lookback_days as n from mdp_raw.raw__accounts").to_pylist() == [
        {"n": 33}
    ]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    """A clock that stands still until it is set."""
    now = [datetime.now(timezone.utc)]
    for module in (extraction, lateness_module):
        monkeypatch.setattr(module, "utc_now", lambda: now[0])
    return now


def test_a_day_is_extracted_a_last_time_when_it_is_final(
    connector: TotalsConnector, stores: Stores, clock: list[datetime]
) -> None:
    clock[0] -= timedelta(days=3)  # three days ago the oldest days were 25 days old
    load(connector, stores, days(31, 3))
    clock[0] += timedelta(days=3)
    load(connector, stores, days(2, 0))
    # the window of the day before was 28 days ago, and has closed
    expected = [(account, n, Reason.SETTLED) for account in ("1", "2") for n in (31, 30, 29)]
    assert late(look(connector, stores)) == expected
    ingest(connector, REPORT, days(31, 29), stores, IngestRun("reload"))
    assert late(look(connector, stores)) == []


def test_a_day_is_extracted_again_at_its_checkpoints(
    connector: TotalsConnector, stores: Stores, clock: list[datetime]
) -> None:
    report = replace(REPORT, checkpoint_ages=(14, 21))
    watched = WatchedReports(TOTALS, (DetailReport(report),))

    def due() -> set[tuple[int, Reason]]:
        found = probe(connector, watched, ALL_DAYS, stores, ProbeRun("probe")).late
        return {((TODAY - day.date).days, day.reason) for day in found}

    now = clock[0]
    clock[0] = now - timedelta(days=3)
    load(connector, stores, days(31, 3))
    clock[0] = now
    load(connector, stores, days(2, 0))
    # credit moves between the campaigns, and the total stays
    change(connector, "1", 15, "c1", spend="2.50")
    change(connector, "1", 15, "c2", spend="0.50")
    ages = {age for age, reason in due() if reason is Reason.CHECKPOINT}
    assert {15, 22} <= ages <= set(range(14, 17)) | set(range(21, 24))
    for age in ages:
        ingest(connector, report, days(age, age), stores, IngestRun("reload"))
    assert not [age for age, reason in due() if reason is Reason.CHECKPOINT]
    spends = "select distinct spend from mdp_raw.raw_scripted__campaign_daily where account_id = '1'"
    assert {"2.50", "0.50"} <= set(stores.warehouse.query(spends).column("spend").to_pylist())


def test_a_day_that_does_not_tie_is_late_until_the_verdict_changes(loaded: TotalsConnector, stores: Stores) -> None:
    table = ReconciledBy("reconciliation", dataset="mdp_raw", source_column="platform")
    watched = WatchedReports(TOTALS, (DetailReport(REPORT, reconciled_by=table),))

    def find() -> list[tuple[str, int, Reason]]:
        return late(probe(loaded, watched, ALL_DAYS, stores, ProbeRun("probe")))

    def verdict(text: str) -> None:
        with duckdb.connect(str(stores.warehouse.path)) as connection:
            connection.execute(
                "create or replace table mdp_raw.reconciliation as "
                f"select 'scripted' as platform, '1' as account_id, date '{ago(5)}' as date, '{text}' as verdict"
            )

    assert find() == [], "there is no reconciliation yet"
    verdict("unexplained")
    assert find() == [("1", 5, Reason.UNEXPLAINED)]
    ingest(loaded, REPORT, days(5, 5), stores, IngestRun("reload", only={"1"}))
    assert find() == [("1", 5, Reason.UNEXPLAINED)], "the reload has not built the reconciliation"
    verdict("matches")
    assert find() == []


def test_an_accepted_difference_is_not_late_until_it_grows(loaded: TotalsConnector, stores: Stores) -> None:
    """The reconciliation is built again, without an extract, when it shows other accepted differences than the file."""
    table = ReconciledBy("reconciliation", dataset="mdp_raw", source_column="platform")
    watched = WatchedReports(TOTALS, (DetailReport(REPORT, reconciled_by=table),))
    amounts: dict[str, float] = {}

    def shows(accepted: str | None, **differences: float) -> None:
        reason = "null" if accepted is None else f"'{accepted}'"
        rows = ", ".join(
            f"('scripted', '1', date '{ago(5)}', 'unexplained', '{metric}', cast({value} as decimal(38, 9)), {reason})"
            for metric, value in differences.items()
        )
        with duckdb.connect(str(stores.warehouse.path)) as connection:
            connection.execute(
                f"create or replace table mdp_raw.reconciliation as select * from (values {rows}) "
                "as rows (platform, account_id, date, verdict, metric, difference, accepted_reason)"
            )

    def find() -> list[Reason]:
        entry = {"platform": "scripted", "account": "1", "from": ago(6), "to": ago(5), "up_to": amounts, "reason": "ok"}
        data = {**stores.clients.model_dump(), "accepted_differences": [entry] if amounts else []}
        accepting = replace(stores, clients=type(stores.clients).model_validate(data))
        return [day.reason for day in probe(loaded, watched, ALL_DAYS, accepting, ProbeRun("probe")).late]

    shows(None, spend=-80.33)
    assert find() == [Reason.UNEXPLAINED]
    amounts = {"spend": 80.33}
    assert find() == [Reason.NOT_BUILT]
    shows("ok", spend=-80.33)
    assert find() == []
    shows(None, spend=-80.34)
    assert find() == [Reason.UNEXPLAINED], "the difference has grown"
    shows("ok", spend=-80.33, clicks=1)
    assert find() == [Reason.UNEXPLAINED], "another metric differs"
    amounts = {"spend": 80.33, "clicks": 1}
    shows("ok", spend=80.33, clicks=1)
    assert find() == []
    shows("earlier reason", spend=80.33, clicks=1)
    assert find() == [Reason.NOT_BUILT]
    amounts = {}
    assert find() == [Reason.UNEXPLAINED], "nobody accepts it any more"
    # as built by an earlier version
    with duckdb.connect(str(stores.warehouse.path)) as connection:
        connection.execute("alter table mdp_raw.reconciliation drop column accepted_reason")
    assert find() == [Reason.UNEXPLAINED]
    amounts = {"spend": 100, "clicks": 1}
    assert find() == [Reason.NOT_BUILT]


def test_a_failing_account_is_not_late_and_does_not_stop_the_others(loaded: TotalsConnector, stores: Stores) -> None:
    change(loaded, "1", 5, spend="2.50")
    change(loaded, "2", 5, spend="2.50")
    loaded.errors = {"2": AccountError("disabled", "enable it")}
    probed = look(loaded, stores)
    assert late(probed) == [("1", 5, Reason.RESTATED)]
    assert [account.account_id for account in probed.totals.failed] == ["2"]
    loaded.errors = {account: TransientError("down") for account in ("1", "2")}
    with pytest.raises(IngestError, match="no account could be extracted"):
        look(loaded, stores)


def test_new_accounts_and_managers_are_looked_up(loaded: TotalsConnector, tmp_path: Path, stores: Stores) -> None:
    data = stores.clients.model_dump()
    data["clients"][0]["accounts"]["scripted"].append({"id": "3"})
    stores = Stores(type(stores.clients).model_validate(data), stores.warehouse, stores.lake)
    look(loaded, stores)
    assert loaded.lookups == ["3"]


def test_only_the_requested_accounts_are_extracted(loaded: TotalsConnector, stores: Stores) -> None:
    result = ingest(loaded, REPORT, days(5, 4), stores, IngestRun("reload", only={"2", "77"}))
    assert loaded.pulls == [("2", days(5, 4))]
    assert loaded.lookups == []
    assert list(result.accounts) == ["2"]


@pytest.mark.parametrize(
    ("time_zone", "counts_as"),
    [
        *((zone, zone) for zone in ("Pacific/Kiritimati", "Europe/Berlin", "America/Los_Angeles")),
        ("", "Etc/GMT+12"),  # unknown: the zone in which a day ends last
    ],
)
def test_a_settled_day_is_extracted_once_when_its_window_has_closed_in_the_accounts_zone(
    connector: TotalsConnector, stores: Stores, clock: list[datetime], time_zone: str, counts_as: str
) -> None:
    connector.time_zone = time_zone
    settles_at = datetime.combine(ago(0), time(), ZoneInfo(counts_as)).astimezone(timezone.utc)
    clock[0] = settles_at - timedelta(minutes=1)
    load(connector, stores, days(29, 0))
    assert late(look(connector, stores)) == []
    clock[0] = settles_at
    assert late(look(connector, stores)) == [(account, 29, Reason.SETTLED) for account in ("1", "2")]
    ingest(connector, REPORT, days(29, 29), stores, IngestRun("reload"))
    assert late(look(connector, stores)) == []


def test_days_before_the_first_day_are_not_late(
    connector: TotalsConnector, stores: Stores, clock: list[datetime]
) -> None:
    clock[0] -= timedelta(days=3)
    load(connector, stores, days(31, 3))
    clock[0] += timedelta(days=3)
    load(connector, stores, days(2, 0))
    assert {day.date for day in look(connector, stores, days(30, 0)).late} == {ago(30), ago(29)}


def test_totals_received_after_the_campaigns_extract_are_a_restatement(loaded: TotalsConnector, stores: Stores) -> None:
    """The probe began first, but its answer is the newer word: the platform changed in between."""

    class Slow(TotalsConnector):
        def extract(self, report, account, window):  # type: ignore[no-untyped-def]
            if report is TOTALS and account.account_id == "1":
                ingest(loaded, REPORT, days(5, 5), stores, IngestRun("overtakes", only={"1"}))
                change(loaded, "1", 5, spend="2.50")
            yield from super().extract(report, account, window)

    slow = Slow()
    slow.rows = loaded.rows
    assert moved(look(slow, stores)) == [("1", 5, 1.0, 0.0)]
    assert moved(look(loaded, stores)) == [("1", 5, 1.0, 0.0)]


def test_a_clock_that_was_set_back_hides_nothing(
    connector: TotalsConnector, stores: Stores, clock: list[datetime]
) -> None:
    load(connector, stores, days(28, 0))
    clock[0] -= timedelta(hours=1)
    change(connector, "2", 4, spend="7.50")
    assert moved(look(connector, stores)) == [("2", 4, 6.0, 0.0)]


def test_one_accounts_rejected_totals_do_not_stop_the_probe_of_the_others(
    loaded: TotalsConnector, stores: Stores
) -> None:
    data = stores.clients.model_dump()
    other = {
        **data["clients"][0],
        "id": "other",
        "accounts": {"scripted": data["clients"][0]["accounts"]["scripted"][1:]},
    }
    data["clients"][0]["accounts"]["scripted"] = data["clients"][0]["accounts"]["scripted"][:1]
    data["clients"].append({**other, "lookback_days": {"scripted": 20}})
    stores = Stores(type(stores.clients).model_validate(data), stores.warehouse, stores.lake)
    look(loaded, stores)

    class Rubbish(TotalsConnector):
        def extract(self, report, account, window):  # type: ignore[no-untyped-def]
            yield from super().extract(report, account, window)
            if account.account_id == "2":
                rows = [{"day": str(ago(n)), "spend": "rubbish", "value": 0.0} for n in range(3)]
                yield pa.RecordBatch.from_pylist(rows, report.schema)

    rubbish = Rubbish()
    rubbish.rows = loaded.rows
    change(rubbish, "1", 5, spend="2.50")
    probed = look(rubbish, stores)
    assert moved(probed) == [("1", 5, 1.0, 0.0)]
    assert [account.account_id for account in probed.totals.failed] == ["2"]
