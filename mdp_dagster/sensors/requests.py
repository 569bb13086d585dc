"""What to ask for, given the late days of an event, the runs that are under way, and what was asked before.

Pure: no instance, no clock of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone

from mdp_dagster.ingest.lateness import Reason
from mdp_dagster.late_days import LateDays
from mdp_dagster.window import DateWindow

# The same days, late by the same amounts, although they were asked for: something is wrong with the account, and asking
# every hour would only fill the event log. After 1, 2, 4, … hours, at most:
_LONGEST_PAUSE = timedelta(hours=24)


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
    """What a sensor keeps between ticks: the event it has dealt with, the days of it that it still waits with, and how
    often and when it last asked for the same thing."""

    event_id: int = 0
    waiting: frozenset[date] = frozenset()
    asked: Mapping[str, tuple[int, datetime]] = field(default_factory=dict)

    def dump(self) -> str:
        return json.dumps(
            {
                "event": self.event_id,
                "waiting": sorted(day.isoformat() for day in self.waiting),
                "asked": {key: [times, at.isoformat()] for key, (times, at) in sorted(self.asked.items())},
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
                asked={k: (int(n), datetime.fromisoformat(at)) for k, (n, at) in data.get("asked", {}).items()},
            )
        except (ValueError, TypeError, AttributeError):
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
    """One request per contiguous range of days that no queued or running run covers.

    A run that is queued, or began after the event, will see what the probe saw: its days are done with. One that began
    before may have pulled a restated day already: such days wait until it has ended.
    """
    if event_id == memory.event_id:
        late = late.on(memory.waiting)
    runs = list(runs)
    restated = {day.date for day in late.days if day.reason is Reason.RESTATED}
    due, waiting, said = set(), set(), []
    for day, accounts in late.accounts_by_day().items():
        covering = [run for run in runs if run.covers(day, accounts)]
        if not covering:
            due.add(day)
            continue
        too_early = all(run.started_at is not None and run.started_at <= event_time for run in covering)
        if too_early and day in restated:
            waiting.add(day)
        said.append(f"{day} is covered by run {covering[0].run_id[:8]}")

    asked = {key: (times, at) for key, (times, at) in memory.asked.items() if now - at < 2 * _LONGEST_PAUSE}
    requests = []
    for window in late.on(due).windows():
        request = Request(f"{event_id}:{window}", window, late.on(frozenset(window.days())))
        fingerprint = _fingerprint(request)
        times, at = asked.get(fingerprint, (0, now))
        pause = min(timedelta(hours=2**times / 2), _LONGEST_PAUSE) if times else timedelta(0)
        # the probe comes every hour, but never after exactly one
        if now - at < pause - timedelta(minutes=5):
            said.append(
                f"{window} was asked for {times} times and is late all the same: again at {at + pause:%H:%M} UTC"
            )
            continue
        asked[fingerprint] = (times + 1, now)
        requests.append(request)
    return Plan(requests, replace(memory, event_id=event_id, waiting=frozenset(waiting), asked=asked), said)


def _fingerprint(request: Request) -> str:
    content = json.dumps([str(request.window), request.late.to_json()["days"]], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, timezone.utc)
