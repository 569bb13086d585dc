"""What to ask for, given the late days of an event, the runs that are under way, and what was asked before.

Pure: no instance, no clock of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data import backoff as asked_memory
from mdp_dagster.orchestration.late_data.backoff import Asked, asked_now, paused_and_due
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.window import DateWindow, join_days


@dataclass(frozen=True)
class ActiveRun:
    """A queued or running run that pulls the report. ``accounts``: None for all. ``started_at``: None while queued."""

    run_id: str
    window: DateWindow
    accounts: frozenset[str] | None
    started_at: datetime | None

    def covers(self, day: date, accounts: set[str]) -> bool:
        return day in self.window and (self.accounts is None or accounts <= self.accounts)


@dataclass(frozen=True)
class Memory:
    """What a sensor keeps between ticks: the event it has dealt with, the days of it that it still waits with, and, by
    account, what it asked for and when."""

    event_id: int = 0
    waiting: frozenset[date] = frozenset()
    asked: Mapping[str, list[Asked]] = field(default_factory=dict)

    def dump(self) -> str:
        return json.dumps(
            {
                "event": self.event_id,
                "waiting": sorted(day.isoformat() for day in self.waiting),
                "asked": asked_memory.dump(self.asked),
            }
        )

    @classmethod
    def load(cls, text: str | None) -> Memory:
        """What was dumped; an empty memory for anything else: at worst something is asked for again."""
        try:
            data = json.loads(text or "{}")
            return cls(
                event_id=int(data.get("event", 0)),
                waiting=frozenset(date.fromisoformat(day) for day in data.get("waiting", [])),
                asked=asked_memory.load(data.get("asked", {})),
            )
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()


@dataclass(frozen=True)
class Request:
    """One run to ask for."""

    run_key: str
    window: DateWindow
    late: LateDays


@dataclass(frozen=True)
class Plan:
    """What to do in a tick. ``said``: why the other days aren't asked for, for people."""

    requests: list[Request]
    memory: Memory
    said: list[str]


def plan(
    event_id: int, event_time: datetime, late: LateDays, runs: Iterable[ActiveRun], memory: Memory, now: datetime
) -> Plan:
    """One request per contiguous range of days that are due and that no queued or running run covers.

    A run that is queued, or began after the event, will see what the probe saw: its days are done with. One that began
    before may have pulled a restated day already: such days wait until it has ended. An account's days that were asked
    for and are late as they were pause, longer each time.
    """
    is_new = event_id != memory.event_id
    if not is_new:
        late = late.on(memory.waiting)
    turns = [_turn(account, days, memory, now, is_new) for account, days in late.by_account().items()]
    due = replace(late, days=tuple(day for turn in turns for day in turn.due))
    free, waiting, said = _uncovered(due, event_time, list(runs))
    asked = {} if is_new else dict(memory.asked)
    asked |= {turn.account: remembered for turn in turns if (remembered := turn.remember(free, now))}
    said += [text for turn in turns for text in turn.said()]
    requests = [
        Request(f"{event_id}:{window}", window, due.on(frozenset(window.days()))) for window in due.on(free).windows()
    ]
    return Plan(requests, Memory(event_id, frozenset(waiting), asked), said)


def _uncovered(
    due: LateDays, event_time: datetime, runs: list[ActiveRun]
) -> tuple[frozenset[date], set[date], list[str]]:
    """The days that nobody covers, those that wait for a run to end, and what is to be said of them."""
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
    said = [f"{', '.join(map(str, join_days(days)))}: covered by run {run_id[:8]}" for run_id, days in covered.items()]
    return frozenset(free), waiting, said


@dataclass(frozen=True)
class _Turn:
    """One account's late days in this tick: what pauses (``paused``), what is due again, and what is new. ``others``:
    what is remembered of days that this tick isn't about."""

    account: str
    paused: list[Asked]
    again: list[tuple[Asked, list[LateDay]]]
    new: list[LateDay]
    others: list[Asked]

    @property
    def due(self) -> list[LateDay]:
        return [day for _, days in self.again for day in days] + self.new

    def remember(self, free: frozenset[date], now: datetime) -> list[Asked]:
        """What is known of the account after the days in ``free`` were asked for."""
        again = [asked for asked, days in self.again if any(day.date in free for day in days)]
        return [*self.others, *self.paused, *again, *asked_now([day for day in self.new if day.date in free], now)]

    def said(self) -> list[str]:
        return [
            f"{', '.join(map(str, asked.windows))} of {self.account} was asked for {asked.times} times and is late all "
            f"the same: again at {asked.again_at:%Y-%m-%d %H:%M} UTC"
            for asked in self.paused
        ]


def _turn(account: str, days: list[LateDay], memory: Memory, now: datetime, is_new: bool) -> _Turn:
    remembered = memory.asked.get(account, [])
    if is_new:
        return _Turn(account, *paused_and_due(days, remembered, now), [])
    # the rest of an event: these days have waited, and were not asked for in its first tick
    return _Turn(account, [], [], days, list(remembered))


def utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, timezone.utc)
