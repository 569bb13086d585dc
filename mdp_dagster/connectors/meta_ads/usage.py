"""The used part of Meta's rate limits, from the headers of an answer.

https://developers.facebook.com/docs/graph-api/overview/rate-limiting: percentages of several limits, and,
once one is exceeded, the minutes until calls are answered again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_PERCENTAGES = ("call_count", "total_cputime", "total_time", "acc_id_util_pct", "app_id_util_pct")
_LONGEST_MINUTES = 1e6  # nearly two years; a longer time is a mistake
_HEADERS = ("x-business-use-case-usage", "x-fb-ads-insights-throttle", "x-ad-account-usage", "x-app-usage")


@dataclass(frozen=True)
class Usage:
    """The fullest of the limits, in percent, and the longest wait that the platform names, in seconds."""

    percent: float = 0.0
    regain_seconds: float = 0.0


def usage_of(headers: Mapping[str, Any]) -> Usage:
    """The usage in the headers; no usage if there are none or they can't be read."""
    limits = [limit for name, value in headers.items() if name.lower() in _HEADERS for limit in _limits(value)]
    return Usage(
        percent=max((_number(limit.get(key)) for limit in limits for key in _PERCENTAGES), default=0.0),
        regain_seconds=60
        * min(
            max((_number(limit.get("estimated_time_to_regain_access")) for limit in limits), default=0.0),
            _LONGEST_MINUTES,
        ),
    )


def _limits(header: Any) -> Iterable[Mapping[str, Any]]:
    """The objects that hold percentages: the header's own, or those in the lists of its business ids."""
    try:
        value = json.loads(header)
    except (TypeError, ValueError, RecursionError):
        return
    if isinstance(value, dict):
        yield value
        for entries in value.values():
            if isinstance(entries, list):
                yield from (entry for entry in entries if isinstance(entry, dict))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return 0.0
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return number if 0 <= number < float("inf") else 0.0
