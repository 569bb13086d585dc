"""Plans the runs that reload late days, from an event, the active runs and the past requests.

Pure functions: they do not read an instance or a clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data import backoff
from mdp_dagster.orchestration.late_data.backoff import PastRequest, first_requests, paused_and_due
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.window import DateWindow, join_days


@dataclass(frozen=True)
class ProbeEvent:
    """The newest event of the probe: its storage id, its time, and the late days that it lists."""

    id: int
    time: datetime
    late: LateDays


@dataclass(frozen=True)
class ActiveRun:
    """A queued or running run that extracts the reports.

    Args:
        run_id: The Dagster run.
        window: Its days.
        accounts: Its accounts; None for all.
        started_at: When it started; None while it is queued.
    """

    run_id: str
    window: DateWindow
    accounts: frozenset[str] | None
    started_at: datetime | None

    def covers(self, day: date, accounts: set[str]) -> bool:
        """Returns whether the run extracts the day for all of these accounts."""
        return day in self.window and (self.accounts is None or accounts <= self.accounts)


@dataclass(frozen=True)
class Memory:
    """The state of a sensor between ticks.

    Args:
        event_id: The event that was handled last.
        waiting: The days of that event that wait for a run to end.
        past: The past requests of each account.
    """

    event_id: int = 0
    waiting: frozenset[date] = frozenset()
    past: Mapping[str, list[PastRequest]] = field(default_factory=dict)

    def dump(self) -> str:
        """Returns the memory as text for the sensor's cursor."""
        return json.dumps(
            {
                "event": self.event_id,
                "waiting": sorted(day.isoformat() for day in self.waiting),
                "asked": backoff.dump(self.past),
            }
        )

    @classmethod
    def load(cls, text: str | None) -> Memory:
        """Reads a cursor. Any other text gives an empty memory; at worst, days are requested once more."""
        try:
            data = json.loads(text or "{}")
            return cls(
                event_id=int(data.get("event", 0)),
                waiting=frozenset(date.fromisoformat(day) for day in data.get("waiting", [])),
                past=backoff.load(data.get("asked", {})),
            )
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()


@dataclass(frozen=True)
class Request:
    """One run to request."""

    run_key: str
    window: DateWindow
    late: LateDays


@dataclass(frozen=True)
class Plan:
    """The result of a tick: the requests, the new memory, and why other late days are not requested."""

    requests: list[Request]
    memory: Memory
    explanations: list[str]


def plan(event: ProbeEvent, runs: Iterable[ActiveRun], memory: Memory, now: datetime) -> Plan:
    """Returns one request for each contiguous range of late days that are due and not covered by an active run.

    - A run that is queued, or started after the event, will read what the probe read: it covers its days.
    - A run that started before the event may already have extracted a restated day: such days wait for its end.
    - Days that were requested before and are late for the same reason pause, longer each time.
    """
    is_new = event.id != memory.event_id
    late = event.late if is_new else event.late.on(memory.waiting)
    accounts = [_account_plan(account, days, memory, now, is_new) for account, days in late.by_account().items()]
    due = replace(late, days=tuple(day for account in accounts for day in account.due))
    free, waiting, explanations = _uncovered(due, event.time, list(runs))
    past = {} if is_new else dict(memory.past)
    past |= {account.account: remembered for account in accounts if (remembered := account.remember(free, now))}
    explanations += [text for account in accounts for text in account.explanations()]
    requests = [
        Request(f"{event.id}:{window}", window, due.on(frozenset(window.days()))) for window in due.on(free).windows()
    ]
    return Plan(requests, Memory(event.id, frozenset(waiting), past), explanations)


def _uncovered(
    due: LateDays, event_time: datetime, runs: list[ActiveRun]
) -> tuple[frozenset[date], set[date], list[str]]:
    """Returns the days without a covering run, the days that wait for a run to end, and explanations for the others."""
    restated = {day.date for day in due.days if day.reason is Reason.RESTATED}
    free, waiting = set(), set()
    covered: dict[str, list[date]] = {}
    for day, accounts in due.accounts_by_day().items():
        covering = [run for run in runs if run.covers(day, accounts)]
        if not covering:
            free.add(day)
            continue
        too_early = all(run.started_at is not None and run.started_at <= event_time for run in covering)
        if too_early and day in restated:
            waiting.add(day)
        covered.setdefault(covering[0].run_id, []).append(day)
    explanations = [
        f"{', '.join(map(str, join_days(days)))}: covered by run {run_id[:8]}" for run_id, days in covered.items()
    ]
    return frozenset(free), waiting, explanations


@dataclass(frozen=True)
class _AccountPlan:
    """One account's late days in a tick.

    Args:
        account: The account.
        paused: Past requests that still pause.
        again: Past requests that are due again, with their days.
        new: Days that were not requested before.
        others: Past requests for days that this tick is not about.
    """

    account: str
    paused: list[PastRequest]
    again: list[tuple[PastRequest, list[LateDay]]]
    new: list[LateDay]
    others: list[PastRequest]

    @property
    def due(self) -> list[LateDay]:
        """The days to request."""
        return [day for _, days in self.again for day in days] + self.new

    def remember(self, free: frozenset[date], now: datetime) -> list[PastRequest]:
        """Returns the account's past requests after the days in ``free`` were requested."""
        again = [request for request, days in self.again if any(day.date in free for day in days)]
        new = first_requests([day for day in self.new if day.date in free], now)
        return [*self.others, *self.paused, *again, *new]

    def explanations(self) -> list[str]:
        """Explains why paused days are not requested."""
        return [
            f"{', '.join(map(str, request.windows))} of {self.account} was requested {request.times} times and is "
            f"still late: next request at {request.retry_at:%Y-%m-%d %H:%M} UTC"
            for request in self.paused
        ]


def _account_plan(account: str, days: list[LateDay], memory: Memory, now: datetime, is_new: bool) -> _AccountPlan:
    past = memory.past.get(account, [])
    if is_new:
        return _AccountPlan(account, *paused_and_due(days, past, now), [])
    # the rest of an event: these days waited, and were not requested in its first tick
    return _AccountPlan(account, [], [], days, list(past))
