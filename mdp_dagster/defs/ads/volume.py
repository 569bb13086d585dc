"""Does an account deliver as many rows as on the same weekday before?"""

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
    """An account's day whose row count is far from the median of the same weekday in the weeks before."""

    platform: str
    account_id: str
    date: date
    rows: int
    usual: float


def odd_days(rows: Mapping[tuple[str, str, date], int], window: DateWindow) -> list[Oddity]:
    """Days in the window with less than half or more than twice the usual rows.

    ``rows``: the row count of each (platform, account, day) that has any, from ``WEEKS`` weeks before the window on.
    Days before an account's first row are no evidence; an account is judged once it has ``MIN_WEEKS`` weeks of it.
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
