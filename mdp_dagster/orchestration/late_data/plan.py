"""Plans the runs that reload late days, from an event, the active runs and the past requests.

Pure functions: they do not read an instance or a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.ingest.requested_days import AccountDays
from mdp_dagster.orchestration.late_data.active_runs import ActiveRun
from mdp_dagster.orchestration.late_data.backoff import PastRequest, first_requests, last_request, paused_and_due
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes, Wait, explain_waits
from mdp_dagster.window import DateWindow, join_days, join_windows

MAX_RUNS = 4
"""The most runs that a tick requests: as many as Dagster executes at a time (``dagster.yaml``).

A run has a fixed cost of ten seconds or more. If there are more ranges of days, the smallest gaps between them are
built too. They are not extracted.
"""
MAX_GAP_DAYS = 1
"""Ranges that are this far apart share a run: a run sends requests of its own for each account."""


@dataclass(frozen=True)
class ProbeEvent:
    """The newest event of the probe: its storage id, its time, and the late days that it lists."""

    id: int
    time: datetime
    late: LateDays


@dataclass(frozen=True)
class Request:
    """One run to request: it builds a window for all accounts, and extracts the late days of each account."""

    run_key: str
    window: DateWindow
    late: LateDays

    @property
    def days(self) -> AccountDays:
        """The days to extract of each account."""
        days: dict[str, set[date]] = {}
        for late in self.late.days:
            if late.reason.needs_extract:
                days.setdefault(late.account_id, set()).add(late.date)
        return days


@dataclass(frozen=True)
class Plan:
    """The result of a tick: the requests, the new memory, and why other late days are not requested."""

    requests: list[Request]
    memory: Memory
    explanations: list[str]


def plan(event: ProbeEvent, runs: Iterable[ActiveRun], memory: Memory, times: ReloadTimes, now: datetime) -> Plan:
    """Returns one request for each range of late days that are due and not covered by an active run.

    - A restated day is due once in each interval of the cadence. A settled day and a checkpoint wait for the end of the
      interval in which they became due. Other late days are due at once.
    - A run that is queued, or started after the event, will read what the probe read: it covers its days.
    - A run that started before the event may already have extracted a restated day. If the day is reloaded with every
      probe, it waits for the end of the run. Otherwise the next probe shows whether the day is still late.
    - Days that were requested before and are late for the same reason pause, longer each time.
    """
    is_new = event.id != memory.event_id
    late = event.late if is_new else event.late.among(memory.waiting)

    def wait(day: LateDay, requested_at: datetime | None) -> Wait | None:
        return times.wait(day, late.time_zones.get(day.account_id, ""), requested_at, now)

    accounts = [
        _account_plan(account, days, memory.past.get(account, []), wait, now)
        # the rest of an event: these days waited for a run, and were not requested in its first tick
        if is_new
        else _AccountPlan(account, [], [], days, [], list(memory.past.get(account, [])))
        for account, days in late.by_account().items()
    ]
    due = replace(late, days=tuple(day for account in accounts for day in account.due))
    free, covered = _split_by_coverage(due, list(runs))
    waiting = [
        day
        for day, covering in covered
        if day.reason is Reason.RESTATED
        and not times.is_limited(day, late.time_zones.get(day.account_id, ""), now)
        and all(run.started_at is not None and run.started_at <= event.time for run in covering)
    ]
    past = {} if is_new else dict(memory.past)
    requested = frozenset((day.account_id, day.date) for day in free.days)
    past |= {account.account: remembered for account in accounts if (remembered := account.remember(requested, now))}
    explanations = _explain_coverage(covered) + explain_waits(day for account in accounts for day in account.postponed)
    explanations += [text for account in accounts for text in account.explanations()]
    new_memory = Memory(event.id, _windows_by_account(waiting), past)
    return Plan(_requests(event, free), new_memory, explanations)


def _requests(event: ProbeEvent, free: LateDays) -> list[Request]:
    requests = []
    for window in join_windows(free.windows(), MAX_RUNS, MAX_GAP_DAYS):
        late = free.on(frozenset(window.days()))
        listed = ",".join(f"{day.account_id}:{day.date}" for day in late.days)
        digest = hashlib.blake2b(listed.encode(), digest_size=4).hexdigest()
        requests.append(Request(f"{event.id}:{window}:{digest}", window, late))
    return requests


_Covered = list[tuple[LateDay, list[ActiveRun]]]


def _split_by_coverage(due: LateDays, runs: list[ActiveRun]) -> tuple[LateDays, _Covered]:
    """Returns the late days without a covering run, and the others with their covering runs."""
    free: list[LateDay] = []
    covered: _Covered = []
    for day in due.days:
        if covering := [run for run in runs if run.covers(day)]:
            covered.append((day, covering))
        else:
            free.append(day)
    return replace(due, days=tuple(sorted(free, key=lambda day: (day.account_id, day.date)))), covered


def _explain_coverage(covered: _Covered) -> list[str]:
    days: dict[str, set[date]] = {}
    for day, covering in covered:
        days.setdefault(covering[0].run_id, set()).add(day.date)
    return [f"{', '.join(map(str, join_days(of_run)))}: covered by run {run_id[:8]}" for run_id, of_run in days.items()]


def _windows_by_account(days: Iterable[LateDay]) -> dict[str, tuple[DateWindow, ...]]:
    by_account: dict[str, list[date]] = {}
    for day in days:
        by_account.setdefault(day.account_id, []).append(day.date)
    return {account: tuple(join_days(of_account)) for account, of_account in by_account.items()}


@dataclass(frozen=True)
class _AccountPlan:
    """One account's late days in a tick.

    Args:
        account: The account.
        paused: Past requests that still pause.
        again: Past requests that are due again, with their days.
        new: Other days that are due.
        postponed: Days that wait for the end of their interval.
        others: Past requests to remember for days that are not requested in this tick.
    """

    account: str
    paused: list[PastRequest]
    again: list[tuple[PastRequest, list[LateDay]]]
    new: list[LateDay]
    postponed: list[tuple[LateDay, Wait]]
    others: list[PastRequest]

    @property
    def due(self) -> list[LateDay]:
        """The days to request."""
        return [day for _, days in self.again for day in days] + self.new

    def remember(self, requested: frozenset[tuple[str, date]], now: datetime) -> list[PastRequest]:
        """Returns the account's past requests after these days of accounts were requested."""

        def was_requested(day: LateDay) -> bool:
            return (day.account_id, day.date) in requested

        again = [request for request, days in self.again if any(map(was_requested, days))]
        return [*self.others, *self.paused, *again, *first_requests(filter(was_requested, self.new), now)]

    def explanations(self) -> list[str]:
        """Explains why paused days are not requested."""
        return [
            f"{', '.join(map(str, request.windows))} of {self.account} was requested {request.times} times and is "
            f"still late: next request at {request.retry_at:%Y-%m-%d %H:%M} UTC"
            for request in self.paused
        ]


def _account_plan(
    account: str,
    days: list[LateDay],
    past: list[PastRequest],
    wait: Callable[[LateDay, datetime | None], Wait | None],
    now: datetime,
) -> _AccountPlan:
    """Plans the days of an account in a new event.

    Args:
        account: The account.
        days: Its late days.
        past: Its past requests.
        wait: Returns until when a day waits, given when it was last requested without success.
        now: The current time.
    """
    paused, again, others = paused_and_due(days, past, now)
    postponed: list[tuple[LateDay, Wait]] = []
    new: list[LateDay] = []
    without_success: dict[PastRequest, list[date]] = {}
    for day in others:
        request = last_request(day, past) if past else None
        until = wait(day, None if request is None else request.at)
        if until is None:
            new.append(day)
            continue
        postponed.append((day, until))
        if request is not None:
            without_success.setdefault(request, []).append(day.date)
    remembered = [replace(r, windows=tuple(join_days(of_request))) for r, of_request in without_success.items()]
    return _AccountPlan(account, paused, again, new, postponed, remembered)
