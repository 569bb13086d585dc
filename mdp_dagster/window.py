"""Ranges of days. All of MDP uses this type. Only connectors translate it into the form of an API."""

from __future__ import annotations

import itertools
from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, order=True)
class DateWindow:
    """A half-open range of days, ``start <= day < end``.

    A day is a day in the account's own time zone, as the source reports it.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            last = self.last if self.end > date.min else self.end  # date.min has no day before it
            raise ValueError(f"the window {self.start}...{last} ends before it begins → give the earlier day first")

    @classmethod
    def of_days(cls, first: date | str, last: date | str) -> DateWindow:
        """The window from ``first`` to ``last``, both included."""
        return cls(_as_date(first), _next(_as_date(last)))

    @property
    def last(self) -> date:
        """The last day in the window."""
        return self.end - timedelta(days=1)

    def __len__(self) -> int:
        return (self.end - self.start).days

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        return f"{self.start}...{self.last}"

    def days(self) -> Iterator[date]:
        """Each day in the window, in order."""
        return (self.start + timedelta(days=n) for n in range(len(self)))

    def chunks(self, max_days: int) -> Iterator[DateWindow]:
        """Split the window into consecutive windows of at most ``max_days``."""
        start = self.start
        while start < self.end:
            end = start + timedelta(days=min(max_days, (self.end - start).days))
            yield DateWindow(start, end)
            start = end


def join_days(days: Iterable[date]) -> list[DateWindow]:
    """Join days into contiguous windows, in order. A day that occurs twice counts once."""
    ordered = sorted(set(days))
    joined: list[DateWindow] = []
    first = 0
    for n, day in enumerate(ordered, 1):
        if n == len(ordered) or (ordered[n] - day).days > 1:
            joined.append(DateWindow(ordered[first], _next(day)))
            first = n
    return joined


def join_windows(windows: Iterable[DateWindow], at_most: int, max_gap_days: int = 0) -> list[DateWindow]:
    """Join windows until there are at most ``at_most`` of them, and no gap of at most ``max_gap_days``.

    The windows don't overlap. The smallest gaps are closed first; of equal gaps, the later one.
    """
    ordered = sorted(windows)
    if not ordered:
        return []
    gaps = [(after.start - before.end).days for before, after in itertools.pairwise(ordered)]
    widest = sorted(range(len(gaps)), key=lambda n: (-gaps[n], n))[: at_most - 1]
    kept = sorted(n for n in widest if gaps[n] > max_gap_days)
    starts, ends = [0, *(n + 1 for n in kept)], [*kept, len(ordered) - 1]
    return [DateWindow(ordered[first].start, ordered[last].end) for first, last in zip(starts, ends, strict=True)]


def months_before(day: date, months: int) -> date:
    """The same day of the month, ``months`` earlier (clamped to the month's last day)."""
    month_index = day.year * 12 + day.month - 1 - months
    year, month = divmod(month_index, 12)
    if year < 1:
        raise ValueError(f"{months} months before {day} is before the first year of the calendar → use fewer months")
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _next(day: date) -> date:
    if day == date.max:
        raise ValueError(f"{day} is the calendar's last day, which a window can't contain → use an earlier day")
    return day + timedelta(days=1)


def _as_date(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value
