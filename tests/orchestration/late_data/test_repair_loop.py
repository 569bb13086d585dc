"""A source may do anything: probes and reloads end with its present rows in the mart, and no day stays late for ever.

The source, the build of the mart and the time are simulated. Ledger, lake, warehouse, probe and plan are real.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.errors import TransientError
from mdp_dagster.ingest import extraction, ingestion, lateness, ledger
from mdp_dagster.ingest import probe as probing
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.ingest.result import IngestError
from mdp_dagster.ingest.settling import is_settled
from mdp_dagster.ingest.watched_reports import DetailReport, ReconciledBy, ShownBy, WatchedReports
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import ProbeEvent, Request, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.reload_cadence import parse_cadence
from mdp_dagster.window import DateWindow
from tests.ingest import scripted
from tests.ingest.conftest import make_stores
from tests.ingest.scripted import ScriptedConnector, row
from tests.support.effort import fuzzed

PROCESSING_HOURS = 15
TOTALS = replace(scripted.TOTALS, processing_hours=PROCESSING_HOURS)
CAMPAIGNS = replace(scripted.REPORT, adds_up_to=TOTALS.name, checkpoint_ages=(14, 28))
WATCHED = WatchedReports(
    TOTALS,
    (
        DetailReport(
            CAMPAIGNS, ShownBy("shown", dataset="mdp_marts"), ReconciledBy("reconciliation", dataset="mdp_staging")
        ),
    ),
)
START = datetime(2026, 3, 10, 5, tzinfo=timezone.utc)
DAYS = DateWindow.of_days("2026-03-07", "2026-03-09")
CHECKPOINTS = (1, 14, 28, 29)
"""Ages at which everything must be right. The last one is final: the lookback has ended."""
MOST_PROBES = 20
"""Within a settlement: the first ones hourly, then daily. A paused day waits a day at most."""
TIMES = ReloadTimes(parse_cadence("0=3h 1-3=6h 4+=24h"))

Campaigns = dict[str, int]
Event = tuple[str, Any]


class Source(ScriptedConnector):
    """``state[account][day]`` is what the source has, ``faults[account]`` are its next answers of campaigns.

    ``wrong_total`` is added to the total of an account's first day, for ever.
    """

    reports = (TOTALS, CAMPAIGNS)

    def __init__(self, accounts: Sequence[str]) -> None:
        super().__init__()
        self.state: dict[str, dict[date, Campaigns]] = {
            account: {day: {"a": 10, "b": 20, "c": 30} for day in DAYS.days()} for account in accounts
        }
        self.faults: dict[str, list[str]] = {account: [] for account in accounts}
        self.totals_fail: set[str] = set()
        self.wrong_total: dict[str, int] = {}

    def extract(self, report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        name = account.account_id
        days = {day: campaigns for day, campaigns in self.state[name].items() if day in window}
        if report is TOTALS:
            if name in self.totals_fail:
                self.totals_fail.discard(name)
                raise TransientError("down")
            rows = [
                _total(day, sum(of_day.values()) + self._error(name, day)) for day, of_day in days.items() if of_day
            ]
        else:
            fault = self.faults[name].pop(0) if self.faults[name] else ""
            if fault == "fails":
                raise TransientError("down")
            kept = {"empty": 0, "one": 1, "two": 2}.get(fault, 3)
            rows = [_row(day, *pair) for day, of_day in days.items() for pair in sorted(of_day.items())[:kept]]
        yield pa.RecordBatch.from_pylist(rows, report.schema)

    def _error(self, account: str, day: date) -> int:
        return self.wrong_total.get(account, 0) if day == DAYS.start else 0


def _row(day: date, campaign: str, amount: int) -> dict[str, Any]:
    return row(day, campaign, clicks=str(amount), spend=f"{amount}.00", value=float(amount))


def _total(day: date, amount: int) -> dict[str, Any]:
    return {name: value for name, value in _row(day, "", amount).items() if name != "campaign_id"}


class World:
    def __init__(self, folder: Path, accounts: Sequence[str], accepted: Sequence[dict[str, Any]] = ()) -> None:
        self.now = START
        self.stores = make_stores(folder, list(accounts))
        data = self.stores.clients.model_dump(exclude={"accepted_differences"})
        clients = Clients.model_validate({**data, "accepted_differences": accepted})
        self.stores = replace(self.stores, clients=clients)
        self.source = Source(accounts)
        self.memory = Memory()
        self.events = 0
        self.reloads: list[tuple[datetime, Request]] = []
        self.next_reload_is_killed = ""
        self.database = duckdb.connect(str(self.stores.warehouse.path))
        self.database.execute(
            """
            create schema mdp_marts;
            create schema mdp_staging;
            create table mdp_marts.shown (
                source text, account_id text, date date, extract_run_id text, campaign_id text, amount int
            );
            create table mdp_staging.reconciliation (
                source text, account_id text, date date, metric text, verdict text, difference decimal(38, 9),
                accepted_reason text
            )
            """
        )

    def morning(self) -> None:
        """The daily run."""
        for report in (TOTALS, CAMPAIGNS):
            try:
                ingest(self.source, report, DAYS, self.stores, IngestRun(f"morning {self.now}"))
            except IngestError:  # every account failed
                return
        self.build(DAYS)

    def hour(self) -> list[LateDay]:
        """A probe and the runs that the sensor requests after it. Returns the late days."""
        days = DateWindow(DAYS.start, self.now.date() + timedelta(days=1))
        try:
            probed = probing.probe(self.source, WATCHED, days, self.stores, probing.ProbeRun(f"probe {self.now}"))
        except IngestError:  # every account failed
            return []
        self.events += 1
        zones = {account.account_id: account.time_zone for account in probed.accounts}
        late = [day for day in probed.late if day.date in DAYS]
        event = ProbeEvent(self.events, self.now, LateDays(tuple(late), {}, time_zones=zones))
        planned = plan(event, [], self.memory, TIMES, self.now)
        self.memory = planned.memory
        for request in planned.requests:
            self.reloads.append((self.now, request))
            self._reload(request)
        return late

    def _reload(self, request: Request) -> None:
        killed, self.next_reload_is_killed = self.next_reload_is_killed, ""
        if killed == "before its commit":
            return
        if request.days:
            try:
                ingest(self.source, CAMPAIGNS, request.window, self.stores, IngestRun(str(self.now), days=request.days))
            except IngestError:  # every account failed
                return
        if killed != "before its build":
            self.build(request.window)

    def build(self, window: DateWindow) -> None:
        """Does in a few lines what dbt does: the current rows, and whether they add up to the total of their day."""
        self.database.execute(
            f"""
            delete from mdp_marts.shown where date between '{window.start}' and '{window.last}';
            delete from mdp_staging.reconciliation where date between '{window.start}' and '{window.last}';
            create or replace temp view newest as
            select * from mdp_raw.raw__extracts where date between '{window.start}' and '{window.last}'
            qualify row_number() over (partition by report, account_id, date order by extracted_at desc) = 1;
            insert into mdp_marts.shown
            select 'scripted', account_id, date, raw.extract_run_id, campaign_id, cast(clicks as int)
            from mdp_raw.raw_scripted__campaign_daily as raw
            inner join newest using (account_id, date)
            where newest.report = 'campaign_daily' and raw.extract_run_id = newest.effective_run_id;
            insert into mdp_staging.reconciliation
            with campaigns as (
                select account_id, date, coalesce(sum(amount), 0) as found
                from newest left join mdp_marts.shown using (account_id, date)
                where report = 'campaign_daily' group by all
            ),
            totals as (
                select account_id, date, coalesce(sum(cast(clicks as int)), 0) as total
                from newest
                left join mdp_raw.raw_scripted__account_daily as raw
                    using (account_id, date)
                where report = 'account_daily'
                    and (raw.extract_run_id is null or raw.extract_run_id = newest.effective_run_id)
                group by all
            )
            select
                'scripted', account_id, date, 'clicks', 'unexplained', found - total,
                (
                    select any_value(reason) from (
                        select * from mdp_raw.raw__accepted_differences
                        qualify rank() over (order by ingested_at desc) = 1
                    ) as accepted
                    where accepted.account_id = totals.account_id and accepted.metric = 'clicks'
                        and date between first_day and last_day and abs(found - total) <= up_to
                )
            from totals inner join campaigns using (account_id, date)
            where found <> total
            """
        )

    def settle(self, wrong: Sequence[str] = ()) -> None:
        """Probes until no day is late, apart from the first day of accounts with a wrong total.

        Hours first, then days.
        """
        pending = sum(map(len, self.source.faults.values())) + len(self.source.totals_fail)
        was_clean = False
        for n in range(MOST_PROBES + 2 * pending):
            late = [day for day in self.hour() if not (day.account_id in wrong and day.date == DAYS.start)]
            self.now += timedelta(hours=1 if n < 6 else 24)
            if not late and was_clean:  # a probe does not judge an account that fails
                return
            was_clean = not late
        raise AssertionError(f"still late after {n + 1} probes: {late}")

    def time_of(self, age: int) -> datetime:
        """Returns when all days have reached the age in every time zone, and are processed."""
        return datetime.combine(DAYS.last, START.time(), timezone.utc) + timedelta(days=age + 2)

    def shown(self) -> dict[str, dict[date, Campaigns]]:
        found: dict[str, dict[date, Campaigns]] = {name: {day: {} for day in DAYS.days()} for name in self.source.state}
        for account, day, campaign, amount in self.database.execute(
            "select account_id, date, campaign_id, amount from mdp_marts.shown"
        ).fetchall():
            assert campaign not in found[account][day], "a campaign is there twice"
            found[account][day][campaign] = amount
        return found


@contextmanager
def world(accounts: Sequence[str], accepted: Sequence[dict[str, Any]] = ()) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        made = World(Path(folder), accounts, accepted)
        for module in (extraction, ingestion, lateness, ledger, probing):
            patched.setattr(module, "utc_now", lambda: made.now)
        try:
            yield made
        finally:
            made.database.close()


campaigns = st.fixed_dictionaries({}, optional=dict.fromkeys("abc", st.sampled_from([0, 10, 20, 30, 90])))
days = st.sampled_from(list(DAYS.days()))
faults = st.lists(st.sampled_from(["", "empty", "one", "two", "fails"]), min_size=1, max_size=4)
events: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.just("restate"), st.tuples(days, campaigns)),
    st.tuples(st.just("restore"), days),
    st.tuples(st.just("move credit"), days),
    st.tuples(st.just("faults"), faults),
    st.tuples(st.just("totals fail"), st.none()),
    st.tuples(st.just("morning"), st.none()),
    st.tuples(st.just("kill the next reload"), st.sampled_from(["before its commit", "before its build"])),
)
AFTER_THE_LOOKBACK = 24 * 26 + 2
"""In hours since the start. The source is still processing the first day, and the probe no longer reads its total."""
FINAL = 24 * 29

# between the probes of the first hours, and after days and weeks
moments = st.sampled_from([0, 0, 1, 1, 2, 3, 4, 7, 30, 24 * 9, 24 * 16, 24 * 24, AFTER_THE_LOOKBACK])
histories = st.lists(st.lists(st.tuples(moments, events), max_size=6), min_size=1, max_size=6)


def happen(world: World, account: str, event: Event) -> None:
    kind, what = event
    state = world.source.state[account]
    day = what[0] if kind == "restate" else what
    if isinstance(day, date) and is_settled(
        day, TOTALS.lookback_days, PROCESSING_HOURS, ScriptedConnector.time_zone, world.now
    ):
        return  # the source does not change it any more
    if kind == "restate":
        state[day] = dict(what[1])
    elif kind == "restore":
        state[what] = {"a": 10, "b": 20, "c": 30}
    elif kind == "move credit":
        names = sorted(state[what])
        state[what] = dict(zip(names, [state[what][name] for name in (*names[1:], *names[:1])], strict=True))
    elif kind == "faults":
        world.source.faults[account] += what
    elif kind == "totals fail":
        world.source.totals_fail.add(account)
    elif kind == "morning":
        world.morning()
    else:
        world.next_reload_is_killed = what


# The last extract finds a change that no total of the probe has.
@example([[(AFTER_THE_LOOKBACK, ("restate", (DAYS.start, {"a": 20})))]])
# The run with the last extract is killed before it has built the day.
@example([[(AFTER_THE_LOOKBACK, ("move credit", DAYS.start)), (FINAL, ("kill the next reload", "before its build"))]])
@fuzzed(6)
@given(histories)
def test_any_history_ends_with_the_rows_of_the_source(history: list[list[tuple[int, Event]]]) -> None:
    """The published totals are right as soon as no day is late, and the campaigns after the next checkpoint."""
    names = [str(n) for n, _ in enumerate(history, start=1)]
    planned: dict[datetime, list[tuple[str, Event]]] = {}
    for name, of_account in zip(names, history, strict=True):
        for hours, event in of_account:
            planned.setdefault(START + timedelta(hours=hours), []).append((name, event))
    with world(names) as simulated:
        simulated.morning()
        for age in CHECKPOINTS:
            for moment in sorted(moment for moment in planned if moment <= simulated.time_of(age)):
                simulated.now = max(simulated.now, moment)
                for name, event in planned.pop(moment):
                    happen(simulated, name, event)
                simulated.hour()
                simulated.now += timedelta(hours=1)
            simulated.now = max(simulated.now, simulated.time_of(age))
            simulated.settle()
            shown = simulated.shown()
            assert totals(shown) == totals(simulated.source.state)
        assert shown == simulated.source.state


def totals(state: dict[str, dict[date, Campaigns]]) -> dict[tuple[str, date], int]:
    return {(name, day): sum(found.values()) for name, days in state.items() for day, found in days.items()}


def test_a_difference_that_stays_is_late_until_a_person_accepts_it() -> None:
    """Without it, the day is extracted once a day. With it, the day is built, and extracted at its checkpoints only."""
    entry = {"platform": "scripted", "account": "1", "day": DAYS.start, "up_to": {"clicks": 5}, "reason": "known"}
    with world(["1", "2"], [entry]) as simulated:
        simulated.source.wrong_total = {"1": 5, "2": 5}
        simulated.morning()
        simulated.settle(wrong=["2"])
        before = len(simulated.reloads)
        for _ in range(24 * 2):
            late = simulated.hour()
            assert [(day.account_id, day.date, day.reason) for day in late] == [("2", DAYS.start, Reason.UNEXPLAINED)]
            simulated.now += timedelta(hours=1)
        assert 1 <= len(simulated.reloads) - before <= 4
        simulated.source.wrong_total["1"] = 6
        assert ("1", DAYS.start) in {(day.account_id, day.date) for day in simulated.hour()}
        for _ in range(3):
            simulated.now += timedelta(hours=24)
            late = simulated.hour()
        assert {(day.account_id, day.reason) for day in late} == {(name, Reason.UNEXPLAINED) for name in "12"}
