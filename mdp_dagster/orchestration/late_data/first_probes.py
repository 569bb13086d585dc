"""When each account was first probed in the current intervals of the cadence.

A restated day is reloaded once in each interval, so totals that are known once in each interval are enough. A probe of
the schedule therefore skips the accounts that were probed in all current intervals. The times are in the newest
observation of the late-days asset. Without it, every account is due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes

_ByHours = Mapping[int, datetime]

_REPEATED_HOURS = (1, 3, 7)
"""How many hours after it was found a day that does not tie is extracted again: after the pauses of ``backoff.py``.

Later pauses are as long as an interval of the default cadence or longer, so the probe of the interval is enough.
"""


@dataclass(frozen=True)
class FirstProbes:
    """The first probe of each account in the current intervals.

    Args:
        times: The intervals.
        found: When the first successful probe of an interval ended, by account and length of the interval in hours.
        unexplained: Since when an account has a day that does not tie to its total, by account.
    """

    times: ReloadTimes
    found: Mapping[str, _ByHours] = field(default_factory=dict)
    unexplained: Mapping[str, datetime] = field(default_factory=dict)

    def is_due(self, account_id: str, days: int, now: datetime) -> bool:
        """Returns whether the account's totals are needed now.

        Args:
            account_id: The account.
            days: How many days are probed.
            now: The current time.
        """
        hours = self._hours(days)
        found = self.found.get(account_id, {})
        return (
            min(hours) <= 1
            or self._is_repeated(account_id, now)
            or any(not self._is_current(found.get(length), length, now) for length in hours)
        )

    def next_at(self, days: int, now: datetime) -> datetime:
        """Returns when the next interval begins for an account with this number of probed days (UTC)."""
        return min(self.times.interval(length, now)[1] for length in self._hours(days))

    def after(
        self, answered: Collection[str], late: Iterable[LateDay], began: datetime, ended: datetime
    ) -> FirstProbes:
        """Returns the times after another probe.

        An interval that began during the probe does not count as probed: its answers may be older.

        Args:
            answered: The accounts for which the source answered every day.
            late: The late days of all accounts.
            began: When the probe began.
            ended: When it had received all answers.
        """
        lengths = {step.hours for step in self.times.cadence.steps if step.hours > 1}
        whole = {
            length for length in lengths if self.times.interval(length, began) == self.times.interval(length, ended)
        }
        found: dict[str, dict[int, datetime]] = {}
        for account_id in {*self.found, *answered}:
            known = self.found.get(account_id, {})
            kept = {
                length: known[length]
                for length in lengths & known.keys()
                if self._is_current(known[length], length, ended)
            }
            new = dict.fromkeys(whole - kept.keys(), ended) if account_id in answered else {}
            if kept or new:
                found[account_id] = {**kept, **new}
        unexplained = {day.account_id: began for day in late if day.reason is Reason.UNEXPLAINED}
        unexplained |= {a: self.unexplained[a] for a in unexplained.keys() & self.unexplained.keys()}
        return replace(self, found=found, unexplained=unexplained)

    def dated(self, late: LateDay, zone: str, now: datetime) -> LateDay:
        """Returns the late day with the time from which its change counts.

        The first probe of an interval finds changes of the time before it. So such a change counts from the day's
        extract on, and the day does not wait for another interval.

        Args:
            late: The late day.
            zone: The account's time zone, in which the age is counted.
            now: The current time.
        """
        if late.changed_at is None or late.extracted_at is None:
            return late
        length = self.times.step(late.date, zone, now).hours
        first = self.found.get(late.account_id, {}).get(length)
        if first is None or late.changed_at > first or not self._is_current(first, length, now):
            return late
        return replace(late, changed_at=late.extracted_at)

    def to_json(self) -> dict[str, Any]:
        """Returns the times in a compact form: accounts with the same times share an entry."""
        groups: dict[tuple[tuple[int, datetime], ...], list[str]] = {}
        for account_id, found in sorted(self.found.items()):
            groups.setdefault(tuple(sorted(found.items())), []).append(account_id)
        return {
            "first_probes": [
                [{str(length): at.timestamp() for length, at in times}, accounts] for times, accounts in groups.items()
            ],
            "unexplained": {account_id: at.timestamp() for account_id, at in sorted(self.unexplained.items())},
        }

    @classmethod
    def from_json(cls, times: ReloadTimes, data: Any) -> FirstProbes:
        """Reads what ``to_json`` returned. Any other value gives no times: then every account is due."""
        try:
            found = {
                str(account_id): {
                    int(length): datetime.fromtimestamp(at, timezone.utc) for length, at in by_hours.items()
                }
                for by_hours, accounts in data["first_probes"]
                for account_id in accounts
            }
            unexplained = {str(a): datetime.fromtimestamp(at, timezone.utc) for a, at in data["unexplained"].items()}
            return cls(times, found, unexplained)
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError):
            return cls(times)

    def _hours(self, days: int) -> set[int]:
        """Returns the lengths of the intervals of the ages that the days have in some time zone."""
        return {step.hours for step in self.times.cadence.steps if step.first_age <= days}

    def _is_repeated(self, account_id: str, now: datetime) -> bool:
        """Returns whether a day that does not tie is extracted again about now: then its total must be new, too."""
        since = self.unexplained.get(account_id)
        return since is not None and round((now - since) / timedelta(hours=1)) in _REPEATED_HOURS

    def _is_current(self, at: datetime | None, length: int, now: datetime) -> bool:
        start, end = self.times.interval(length, now)
        return at is not None and start <= at < end
