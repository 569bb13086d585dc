"""Chooses the requests for an account's days: few requests, and few days that nobody needs."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import date

from mdp_dagster.window import DateWindow, join_days

AccountDays = Mapping[str, Collection[date]]
"""The days to extract of each account, by account id."""

MAX_REQUESTS = 3
"""How many requests of one report an account gets for one chunk of days."""
MAX_GAP_DAYS = 2
"""Days that are at most this far apart share a request: the days between them cost less than another request."""


def windows_to_request(days: Collection[date]) -> list[DateWindow]:
    """Returns the windows of the requests that cover these days, the oldest first.

    Neighbouring days share a window, and so do days with a gap of at most ``MAX_GAP_DAYS``. If there are more than
    ``MAX_REQUESTS`` windows, the smallest gaps between them are requested too. A source counts requests against a
    quota, and answers further days in the same request.
    """
    return join_windows(join_days(days), MAX_REQUESTS, MAX_GAP_DAYS)


def join_windows(windows: Collection[DateWindow], at_most: int, max_gap_days: int = 0) -> list[DateWindow]:
    """Joins windows until there are at most ``at_most`` of them, and no gap of at most ``max_gap_days``.

    The smallest gaps are closed first; of equal gaps, the later one, so that more recent days are together.
    """
    ordered = sorted(windows)
    if not ordered:
        return []
    gaps = [(after.start - before.end).days for before, after in itertools.pairwise(ordered)]
    widest = sorted(range(len(gaps)), key=lambda n: (-gaps[n], n))[: at_most - 1]
    kept = sorted(n for n in widest if gaps[n] > max_gap_days)
    starts = [0, *(n + 1 for n in kept)]
    ends = [*kept, len(ordered) - 1]
    return [DateWindow(ordered[first].start, ordered[last].end) for first, last in zip(starts, ends, strict=True)]
