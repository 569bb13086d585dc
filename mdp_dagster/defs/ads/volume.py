"""Finds days on which an account has far more or far fewer rows than on the same weekday before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from mdp_dagster.window import DateWindow

WEEKS = 8
MIN_WEEKS = 3
LOW, HIGH = 0.5, 2.0


@dataclass(frozen=True)
class Oddity:
    """An account's day with a row count far from the median of the same weekday in the weeks before."""

    platform: str
    account_id: str
    date: date
    rows: int
    usual: float


def odd_days(rows: Mapping[tuple[str, str, date], int], window: DateWindow) -> list[Oddity]:
    """Returns the days in the window with less than half or more than twice the usual rows.

    Days before an account's first row do not count. An account is judged once it has ``MIN_WEEKS`` weeks of rows.

    Args:
        rows: The row count of each (platform, account, day) with rows, from ``WEEKS`` weeks before the window on.
        window: The days to judge.
    """
    first_day: dict[tuple[str, str], date] = {}
    for platform, account_id, day in rows:
        key = platform, account_id
        first_day[key] = min(day, first_day.get(key, day))
    odd = []
    for (platform, account_id), first in sorted(first_day.items()):
        for day in window.days():
            weeks = [day - timedelta(weeks=n) for n in range(1, WEEKS + 1)]
            before = [rows.get((platform, account_id, earlier), 0) for earlier in weeks if earlier >= first]
            if len(before) < MIN_WEEKS:
                continue
            usual, there = median(before), rows.get((platform, account_id, day), 0)
            if not LOW * usual <= there <= max(HIGH * usual, 1):
                odd.append(Oddity(platform, account_id, day, there, usual))
    return odd
