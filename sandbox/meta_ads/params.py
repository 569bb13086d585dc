"""Request parameters: Graph takes them in the query or the form, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sandbox.meta_ads.actions import WINDOWS
from sandbox.meta_ads.errors import GraphError, history_exceeded, invalid_parameter, not_modelled

Params = Mapping[str, str]

_UNMODELLED = ("breakdowns", "time_ranges", "action_breakdowns", "summary", "default_summary")


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of the parameter `filtering`."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class InsightsRequest:
    """The parameters of an insights request. `since` and `until` are both inclusive, in the account's time zone.

    `increment` is a number of days, `monthly` or `all_days`.
    """

    level: str
    since: date
    until: date
    increment: int | str
    fields: tuple[str, ...]
    filters: tuple[Filter, ...]
    windows: tuple[str, ...]


def names(params: Params, key: str) -> tuple[str, ...]:
    """A list of names: comma-separated, or a JSON list."""
    text = params.get(key, "").strip()
    parts = map(str, _json(text, key)) if text.startswith("[") else text.split(",")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def filters(params: Params) -> tuple[Filter, ...]:
    """Reads the parameter `filtering`."""
    found = _json(params.get("filtering", "[]"), "filtering")
    try:
        return tuple(Filter(str(one["field"]), str(one["operator"]).upper(), one["value"]) for one in found)
    except (KeyError, TypeError):
        raise invalid_parameter("param filtering must be an array of field, operator and value.") from None


def page(params: Params) -> tuple[int, str | None]:
    """The page size and the cursor."""
    limit = params.get("limit", "25")
    if not limit.isdigit() or int(limit) < 1:
        raise invalid_parameter("param limit must be a positive integer.")
    return int(limit), params.get("after") or None


def insights_request(params: Params, today: date, history_start: date) -> InsightsRequest:
    """Reads and checks an insights request; `history_start` is the first day that can be requested."""
    for name in _UNMODELLED:
        if params.get(name):
            raise not_modelled(f"the parameter {name}")
    level = params.get("level", "account")
    if level not in ("account", "campaign", "adset", "ad"):
        raise invalid_parameter("level must be one of the following values: ad, adset, campaign, account")
    if level in ("adset", "ad"):
        raise not_modelled(f"level {level}")
    since, until = _time_range(params, today)
    if since < history_start:
        raise history_exceeded()
    windows = names(params, "action_attribution_windows")
    for window in windows:
        if window not in (*WINDOWS, "default"):
            allowed = ", ".join(WINDOWS)
            raise invalid_parameter(
                f"action_attribution_windows[0] must be one of the following values: {allowed}, default"
            )
    return InsightsRequest(
        level=level,
        since=since,
        until=until,
        increment=_increment(params.get("time_increment", "all_days")),
        fields=names(params, "fields"),
        filters=filters(params),
        windows=tuple(window for window in windows if window != "default"),
    )


def _increment(text: str) -> int | str:
    text = text.strip('"')
    if text in ("all_days", "monthly"):
        return text
    if text.isdigit() and 1 <= int(text) <= 90:
        return int(text)
    raise invalid_parameter("time_increment must be an integer between 1 and 90, monthly or all_days")


def _time_range(params: Params, today: date) -> tuple[date, date]:
    if "time_range" in params:
        span = _json(params["time_range"], "time_range")
        since, until = (span.get("since"), span.get("until")) if isinstance(span, dict) else (None, None)
    elif "time_range[since]" in params or "time_range[until]" in params:
        since, until = params.get("time_range[since]"), params.get("time_range[until]")
    else:
        return _preset(params.get("date_preset", "last_30d"), today)
    if not since or not until:
        raise invalid_parameter("param time_range must have since and until, as 'YYYY-MM-DD'.")
    first, last = _day(str(since)), _day(str(until))
    if first > last:
        raise invalid_parameter("param time_range[since] must be before or equal to time_range[until].")
    return first, last


def _preset(name: str, today: date) -> tuple[date, date]:
    one = timedelta(days=1)
    first_of_month = today.replace(day=1)
    presets = {
        "today": (today, today),
        "yesterday": (today - one, today - one),
        "last_3d": (today - 3 * one, today - one),
        "last_7d": (today - 7 * one, today - one),
        "last_14d": (today - 14 * one, today - one),
        "last_28d": (today - 28 * one, today - one),
        "last_30d": (today - 30 * one, today - one),
        "last_90d": (today - 90 * one, today - one),
        "this_month": (first_of_month, today),
        "last_month": ((first_of_month - one).replace(day=1), first_of_month - one),
    }
    if name not in presets:
        raise invalid_parameter(f"date_preset must be one of the following values: {', '.join(presets)}")
    return presets[name]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid_parameter("param time_range must be dates as 'YYYY-MM-DD'.") from None


def _json(text: str, key: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise GraphError(100, f"(#100) param {key} must be valid JSON.") from None
