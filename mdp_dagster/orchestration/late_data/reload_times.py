"""When a late day may be reloaded: once in each interval of the cadence (``MDP_RELOAD_CADENCE``).

The intervals begin at fixed hours, counted from the hour of the daily run. So the days of all accounts become due
together and share a run, and days that the daily run extracts are not reloaded separately.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from mdp_dagster.ingest.clock import local_date
from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.partitions import DAILY_RUN_HOUR
from mdp_dagster.reload_cadence import Cadence, CadenceStep, parse_cadence
from mdp_dagster.settings import Settings
from mdp_dagster.window import join_days

# A Monday: intervals of seven days begin on Mondays.
_ORIGIN = datetime(2000, 1, 3, DAILY_RUN_HOUR)
_LISTED_WINDOWS = 3


@dataclass(frozen=True)
class Wait:
    """Why a day waits: the end of the current interval (UTC), and the interval of its age."""

    until: datetime
    step: CadenceStep


@dataclass(frozen=True)
class ReloadTimes:
    """The times at which restated and settled days and checkpoints may be reloaded.

    Args:
        cadence: The intervals, by the age of the day.
        time_zone: The time zone of the daily run (``MDP_TIMEZONE``).
    """

    cadence: Cadence
    time_zone: str = "UTC"

    @classmethod
    def of(cls, settings: Settings) -> ReloadTimes:
        """Returns the times that the settings describe."""
        return cls(parse_cadence(settings.reload_cadence), settings.timezone)

    def is_limited(self, late: LateDay, zone: str, now: datetime) -> bool:
        """Returns whether the day is restated, and is not requested with every probe but at certain times only.

        Args:
            late: The late day.
            zone: The account's time zone, in which the age is counted.
            now: The current time.
        """
        return late.reason is Reason.RESTATED and self.step(late.date, zone, now).hours > 1

    def wait(self, late: LateDay, zone: str, requested_at: datetime | None, now: datetime) -> Wait | None:
        """Returns until when a late day waits; None if it may be requested now.

        A restated day waits for the end of the interval in which its totals changed, and a settled day or a checkpoint
        for the end of the interval in which it became due. A restated day also waits if it was requested in the current
        interval, and that request did not bring its rows.

        Args:
            late: The late day.
            zone: The account's time zone, in which the age is counted.
            requested_at: When the day was last requested, if it was not extracted since; otherwise None.
            now: The current time.
        """
        if late.changed_at is None or not late.reason.may_wait:
            return None
        step = self.step(late.date, zone, now)
        if step.hours <= 1:
            return None
        start, end = self.interval(step.hours, now)
        return Wait(end, step) if max(late.changed_at, requested_at or late.changed_at) >= start else None

    def interval(self, hours: int, now: datetime) -> tuple[datetime, datetime]:
        """Returns the start and the end (UTC) of the interval that contains ``now``."""
        return _interval(hours, now, self.time_zone)

    def step(self, day: date, zone: str, now: datetime) -> CadenceStep:
        """Returns the interval for a day, by its age in the account's time zone."""
        return self.cadence.step((_local_date(now, zone) - day).days)


# A tick needs these for thousands of days at the same moment.
@lru_cache(maxsize=64)
def _interval(hours: int, now: datetime, time_zone: str) -> tuple[datetime, datetime]:
    zone, length = ZoneInfo(time_zone), timedelta(hours=hours)
    local = now.astimezone(zone).replace(tzinfo=None)
    start = _ORIGIN + (local - _ORIGIN) // length * length
    end = start + length
    return start.replace(tzinfo=zone).astimezone(timezone.utc), end.replace(tzinfo=zone).astimezone(timezone.utc)


@lru_cache(maxsize=64)
def _local_date(now: datetime, zone: str) -> date:
    return local_date(now, zone)


def explain_waits(waiting: Iterable[tuple[LateDay, Wait]]) -> list[str]:
    """Explains which days wait, until when, and why: one sentence for each interval."""
    groups: dict[Wait, list[LateDay]] = {}
    for late, wait in waiting:
        groups.setdefault(wait, []).append(late)
    return [_explain(wait, days) for wait, days in sorted(groups.items(), key=lambda group: group[0].step.first_age)]


def _explain(wait: Wait, days: list[LateDay]) -> str:
    windows = join_days(day.date for day in days)
    accounts = len({day.account_id for day in days})
    if len(windows) > _LISTED_WINDOWS:
        listed = f"{sum(map(len, windows))} days from {windows[0].start} to {windows[-1].last}"
    else:
        listed = ", ".join(str(w.start) if len(w) == 1 else str(w) for w in windows)
    return (
        f"{listed} of {accounts} account{'s' if accounts != 1 else ''}: next reload after "
        f"{wait.until:%Y-%m-%d %H:%M} UTC, because days of age {wait.step.ages} are reloaded {wait.step.interval}"
    )
