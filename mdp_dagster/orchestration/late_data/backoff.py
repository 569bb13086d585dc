"""Backs off from days that stay late after a reload: the pause before the next request grows.

Without it, an account with readable totals and unreadable campaigns would be reloaded with every probe. The past
requests are stored in the sensor's cursor, in a compact form: by account and range of days, not by day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.window import DateWindow, join_days

# Two probes may be a little less than an hour apart, so a pause ends a little earlier.
_SLACK = timedelta(minutes=5)
_LONGEST_PAUSE_HOURS = 24


@dataclass(frozen=True)
class PastRequest:
    """Days of one account that were requested before.

    Args:
        windows: The days.
        content: A digest of the days' totals if they were restated, so that another restatement is recognized. Empty if
            they were late for other reasons.
        times: How many times the days were requested.
        at: When they were last requested.
    """

    windows: tuple[DateWindow, ...]
    content: str
    times: int
    at: datetime

    def __contains__(self, day: date) -> bool:
        return any(day in window for window in self.windows)

    @property
    def retry_at(self) -> datetime:
        """When the days may be requested again: after 1, 2, 4, ... 24 hours."""
        return self.at + timedelta(hours=min(2 ** min(self.times - 1, 10), _LONGEST_PAUSE_HOURS))

    def unchanged_days(self, late: Iterable[LateDay]) -> list[LateDay]:
        """Returns the late days that are late for the same reason as at this request.

        If any of these days changes again, the whole request counts as new, because the days share one digest.
        """
        days = [day for day in late if day.date in self and (day.reason is Reason.RESTATED) == bool(self.content)]
        return days if not self.content or _content(days) == self.content else []


def first_requests(late: Iterable[LateDay], now: datetime) -> list[PastRequest]:
    """Returns what to remember of an account's days that are requested for the first time."""
    late = list(late)
    restated = [day for day in late if day.reason is Reason.RESTATED]
    others = [day for day in late if day.reason is not Reason.RESTATED]
    return [
        PastRequest(tuple(join_days(day.date for day in days)), _content(days) if days is restated else "", 1, now)
        for days in (restated, others)
        if days
    ]


def paused_and_due(
    late: list[LateDay], past: Iterable[PastRequest], now: datetime
) -> tuple[list[PastRequest], list[tuple[PastRequest, list[LateDay]]], list[LateDay]]:
    """Splits an account's late days by what was requested before.

    Returns:
        The requests that still pause; the requests that are due again, with their days; and the new days.
    """
    paused, due, new = [], [], list(late)
    for request in past:
        unchanged = request.unchanged_days(new)
        if not unchanged:
            continue
        known = set(unchanged)  # a changed fact makes years of an account late
        new = [day for day in new if day not in known]
        kept = replace(request, windows=tuple(join_days(day.date for day in unchanged)))
        if now < request.retry_at - _SLACK:
            paused.append(kept)
        else:
            due.append((replace(kept, times=request.times + 1, at=now), unchanged))
    return paused, due, new


def last_request(late: LateDay, past: Iterable[PastRequest]) -> PastRequest | None:
    """Returns the last request for a restated day that did not bring its rows; None if there is none.

    Totals that changed after a request show that the request succeeded: they changed after the newest extract.
    """
    failed = [
        request
        for request in past
        if request.content and late.date in request and (late.changed_at is None or late.changed_at <= request.at)
    ]
    return max(failed, key=lambda request: request.at, default=None)


def _content(days: Iterable[LateDay]) -> str:
    text = ",".join(f"{day.date}:{day.totals}" for day in sorted(days, key=lambda day: day.date))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def dump_windows(windows: Iterable[DateWindow]) -> str:
    """Returns windows as text."""
    return ",".join(f"{window.start}/{window.last}" for window in windows)


def load_windows(text: str) -> tuple[DateWindow, ...]:
    """Reads what ``dump_windows`` returned.

    Raises:
        ValueError, TypeError, AttributeError: The text has another form.
    """
    return tuple(DateWindow.of_days(*window.split("/")) for window in text.split(","))


def dump(requests: Mapping[str, list[PastRequest]]) -> dict[str, Any]:
    """Returns the past requests of each account as JSON values."""
    return {
        account: [
            [dump_windows(request.windows), request.content, request.times, request.at.isoformat()]
            for request in entries
        ]
        for account, entries in sorted(requests.items())
        if entries
    }


def load(data: Mapping[str, Any]) -> dict[str, list[PastRequest]]:
    """Reads what ``dump`` returned.

    Raises:
        ValueError, TypeError, AttributeError, OverflowError: The data has another form.
    """
    return {
        account: [
            PastRequest(
                load_windows(windows),
                str(content),
                int(times),
                _instant(at),
            )
            for windows, content, times, at in entries
        ]
        for account, entries in data.items()
    }


def _instant(text: str) -> datetime:
    """Returns the time of a request. Refuses times that cannot be compared with now, or that overflow with a pause."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not 2000 <= at.year <= 9000:
        raise ValueError(f"{text} is not a valid time of a request")
    return at
