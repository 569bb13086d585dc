"""What was asked for and is late all the same: it is asked for again, less and less often.

An account whose totals can be read and whose campaigns can't would otherwise be reloaded every hour, for ever. Kept in
the sensor's cursor, so in short: by account and range of days, not by day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.window import DateWindow, join_days

# The probe comes every hour, but never after exactly one.
_SLACK = timedelta(minutes=5)
_LONGEST_PAUSE_HOURS = 24


@dataclass(frozen=True)
class Asked:
    """Days of one account that were asked for ``times`` times, the last time ``at``. ``content``: of restated days,
    what the totals were, so that another restatement is told from the same; empty for days that are late for other
    reasons."""

    windows: tuple[DateWindow, ...]
    content: str
    times: int
    at: datetime

    def __contains__(self, day: date) -> bool:
        return any(day in window for window in self.windows)

    @property
    def again_at(self) -> datetime:
        """After 1, 2, 4, … hours."""
        return self.at + timedelta(hours=min(2 ** min(self.times - 1, 10), _LONGEST_PAUSE_HOURS))

    def still(self, late: Iterable[LateDay]) -> list[LateDay]:
        """Of these days, those that are late as they were. A restated day that was pulled meanwhile, or restated once
        more, makes news of all that was asked for with it: the digest is one for all."""
        there = [day for day in late if day.date in self and (day.reason is Reason.RESTATED) == bool(self.content)]
        return there if not self.content or _content(there) == self.content else []


def asked_now(late: Iterable[LateDay], now: datetime) -> list[Asked]:
    """The memory of an account's days that are asked for the first time."""
    late = list(late)
    restated = [day for day in late if day.reason is Reason.RESTATED]
    others = [day for day in late if day.reason is not Reason.RESTATED]
    return [
        Asked(tuple(join_days(day.date for day in days)), _content(days) if days is restated else "", 1, now)
        for days in (restated, others)
        if days
    ]


def paused_and_due(
    late: list[LateDay], memory: Iterable[Asked], now: datetime
) -> tuple[list[Asked], list[tuple[Asked, list[LateDay]]], list[LateDay]]:
    """An account's late days, in three: what waits for its pause to end, what is due again, and what is new."""
    waiting, again, left = [], [], list(late)
    for asked in memory:
        still = asked.still(left)
        if not still:
            continue
        left = [day for day in left if day not in still]
        kept = replace(asked, windows=tuple(join_days(day.date for day in still)))
        if now < asked.again_at - _SLACK:
            waiting.append(kept)
        else:
            again.append((replace(kept, times=asked.times + 1, at=now), still))
    return waiting, again, left


def _content(days: Iterable[LateDay]) -> str:
    text = ",".join(f"{day.date}:{day.totals}" for day in sorted(days, key=lambda day: day.date))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def dump(asked: Mapping[str, list[Asked]]) -> dict[str, Any]:
    return {
        account: [
            [",".join(f"{w.start}/{w.last}" for w in a.windows), a.content, a.times, a.at.isoformat()] for a in entries
        ]
        for account, entries in sorted(asked.items())
        if entries
    }


def load(data: Mapping[str, Any]) -> dict[str, list[Asked]]:
    """Raises ``ValueError``, ``TypeError``, ``AttributeError`` or ``OverflowError`` for what isn't a dump."""
    return {
        account: [
            Asked(
                tuple(DateWindow.of_days(*window.split("/")) for window in windows.split(",")),
                str(content),
                int(times),
                _instant(at),
            )
            for windows, content, times, at in entries
        ]
        for account, entries in data.items()
    }


def _instant(text: str) -> datetime:
    """Of a tick: others can't be compared with it, or have no hour after them."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not 2000 <= at.year <= 9000:
        raise ValueError(f"{text} is no instant of a tick")
    return at
