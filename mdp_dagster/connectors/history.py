"""How far back a platform gives daily data: 37 months, both on Google Ads and on Meta.

Sources: google-ads' ``DateRangeError.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED`` ("daily ... only available
for the last 37 months") and Meta's error 3018 ("cannot be beyond 37 months from the current date").
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from mdp_dagster.connectors.base import Report
from mdp_dagster.connectors.errors import HistoryError
from mdp_dagster.window import DateWindow, months_before

SHORTEST_37_MONTHS_DAYS = 1_123  # three years without a leap day, and a February


def earliest_today() -> date:
    """Today in the time zone where the day begins last (UTC-12), so that no account is refused a day that its
    platform would still give."""
    return (datetime.now(timezone.utc) - timedelta(hours=12)).date()


def first_day(report: Report, today: date) -> date:
    """The first day that can be asked for."""
    return months_before(today, report.history_months)


def check_history(report: Report, window: DateWindow, today: date | None = None) -> None:
    """Raise ``HistoryError`` if the window begins before the platform's history does.

    ``today`` is a day in the account's time zone; without it, the earliest that it can be anywhere.
    """
    first = first_day(report, today or earliest_today())
    if window.start < first:
        raise _error(report, window, first)


def reachable(report: Report, window: DateWindow) -> DateWindow | None:
    """The part of the window that the platform still has; None if it has none of it.

    A window that begins within reach is left as it is. Of one that begins earlier nobody asked for the first day in
    particular: it is cut where no platform refuses, rather than losing its first piece over a day.
    """
    if window.start >= first_day(report, earliest_today()):
        return window
    safe = safe_first_day()
    return DateWindow(safe, window.end) if safe < window.end else None


def safe_first_day() -> date:
    """The first day that lies within 37 months however they are counted, in every time zone."""
    latest_today = (datetime.now(timezone.utc) + timedelta(hours=14)).date()
    return latest_today - timedelta(days=SHORTEST_37_MONTHS_DAYS)


def refused_by_platform(report: Report, window: DateWindow, words: str) -> HistoryError:
    """The error for a window that the platform itself has refused, with its own words.

    It counts more strictly than we do: the day named is the safe one.
    """
    return _error(report, window, safe_first_day(), words)


def out_of_reach(report: Report, window: DateWindow) -> HistoryError:
    """The error for a window of which the platform has no day any more."""
    return _error(report, window, first_day(report, earliest_today()))


def _error(report: Report, window: DateWindow, first: date, words: str = "") -> HistoryError:
    own = f": {words}" if words else ""
    return HistoryError(
        f"{report.source} {report.name} was asked for {window}, but the platform keeps daily data for "
        f"{report.history_months} months: the first day that can be asked for is {first}{own}",
        f"begin at {first} or later (MDP_START_DATE={first}, or a later first partition of the backfill)",
    )
