"""Chooses the requests for an account's days: few requests, and few days that nobody needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from mdp_dagster.window import DateWindow, join_days, join_windows

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
