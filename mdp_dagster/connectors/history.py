"""How far back a source delivers the days of a report, given the report's ``history_months``."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.connectors.errors import HistoryError
from mdp_dagster.window import DateWindow, months_before


def earliest_today() -> date:
    """Returns today in the time zone where the day begins last (UTC-12).

    With this date, MDP never refuses a day that a source would still deliver.
    """
    return (datetime.now(timezone.utc) - timedelta(hours=12)).date()


def first_day(report: DayReport, today: date) -> date:
    """Returns the first day that can be requested on ``today``."""
    return months_before(today, report.history_months)


def safe_first_day(report: DayReport) -> date:
    """Returns the first day within the report's history in every time zone, however a source counts months."""
    latest_today = (datetime.now(timezone.utc) + timedelta(hours=14)).date()
    return latest_today - timedelta(days=fewest_days_in(report.history_months))


@lru_cache
def fewest_days_in(months: int) -> int:
    """Returns the smallest number of days that this many consecutive months can have: 1,123 for 37 months."""
    firsts = (date(2000 + year, month, 1) for year in range(400) for month in range(1, 13))
    return min((first - months_before(first, months)).days for first in firsts)


def check_history(report: DayReport, window: DateWindow, today: date | None = None) -> None:
    """Checks that the window begins within the report's history.

    Args:
        report: The report to extract.
        window: The days to extract.
        today: Today in the account's time zone. Default: the earliest date that today can be anywhere.

    Raises:
        HistoryError: The window begins earlier.
    """
    first = first_day(report, today or earliest_today())
    if window.start < first:
        raise _error(report, window, first)


def reachable(report: DayReport, window: DateWindow) -> DateWindow | None:
    """Returns the part of the window that the source still delivers; None if it delivers none of it.

    A window that begins within the history is returned unchanged. A window that begins earlier is cut at the safe
    first day, because a refusal would cost its whole first chunk.
    """
    if window.start >= first_day(report, earliest_today()):
        return window
    safe = safe_first_day(report)
    return DateWindow(safe, window.end) if safe < window.end else None


def refused_by_platform(report: DayReport, window: DateWindow, message: str) -> HistoryError:
    """Returns the error for a window that the source itself refused, with the source's message.

    The source counts more strictly than MDP, so the error names the safe first day.
    """
    return _error(report, window, safe_first_day(report), message)


def out_of_reach(report: DayReport, window: DateWindow) -> HistoryError:
    """Returns the error for a window of which the source no longer delivers any day."""
    return _error(report, window, first_day(report, earliest_today()))


def _error(report: DayReport, window: DateWindow, first: date, message: str = "") -> HistoryError:
    detail = f": {message}" if message else ""
    return HistoryError(
        f"{report.source} {report.name} was requested for {window}, but the source keeps daily data for "
        f"{report.history_months} months: the first day that can be requested is {first}{detail}",
        f"begin at {first} or later (MDP_START_DATE={first}, or a later first partition of the backfill)",
    )
