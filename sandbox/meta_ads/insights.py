"""Insights: the world's rows in Graph's words, where numbers are strings and what isn't there is left out."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from sandbox.meta_ads.actions import Activity, in_window
from sandbox.meta_ads.errors import invalid_parameter, not_modelled
from sandbox.meta_ads.nodes import GONE, effective_status
from sandbox.meta_ads.params import Filter, InsightsRequest
from sandbox.model import Account, Campaign
from sandbox.rows import hundredths
from sandbox.world import World

_DEFAULT_FIELDS = ("account_id", "impressions", "spend")


@dataclass(slots=True)
class Insight:
    """One row before it is written: who, which days (both inclusive), what happened."""

    account: Account
    campaign: Campaign | None
    start: date
    stop: date
    activity: Activity
    windows: tuple[str, ...] = ()


def insights(world: World, account: Account, request: InsightsRequest) -> list[str]:
    """The rows of an insights request as JSON texts, by day and campaign; raises GraphError.

    Texts, because a large report as dictionaries would take twenty times the memory.
    """
    fields = _checked_fields(request)
    wanted = _campaign_test(world, account, request)
    tests = [_metric_test(one) for one in request.filters if not one.field.startswith("campaign.")]
    spans = _spans(request)
    start, stop = next(spans)
    rows: list[str] = []
    sums: dict[int, Insight] = {}

    def finish_span() -> None:
        for _, insight in sorted(sums.items()):
            if all(test(insight) for test in tests):
                rows.append(json.dumps(_written(insight, fields), ensure_ascii=False))
        sums.clear()

    for row in world.campaign_days(account, request.since, request.until + timedelta(days=1)):
        while row.day > stop:
            finish_span()
            start, stop = next(spans)
        if not wanted(row.campaign):
            continue
        campaign = row.campaign if request.level == "campaign" else None
        key = campaign.id if campaign else 0
        if key not in sums:
            sums[key] = Insight(account, campaign, start, stop, Activity(), request.windows)
        sums[key].activity.add(row)
    finish_span()
    return rows


def _checked_fields(request: InsightsRequest) -> tuple[str, ...]:
    if not request.fields:
        return _DEFAULT_FIELDS + (("campaign_id",) if request.level == "campaign" else ())
    for name in request.fields:
        if name in FIELDS or name in ("date_start", "date_stop"):
            continue
        if name in _vendor_fields():
            raise not_modelled(f"the insights field {name}")
        raise invalid_parameter(
            f"{name} is not valid for fields param. please check "
            "https://developers.facebook.com/docs/marketing-api/reference/ads-insights/ for all valid values"
        )
    return request.fields


@lru_cache(maxsize=1)
def _vendor_fields() -> frozenset[str]:
    module = importlib.import_module("facebook_business.adobjects.adsinsights")
    return frozenset(v for k, v in vars(module.AdsInsights.Field).items() if not k.startswith("_"))


def _campaign_test(world: World, account: Account, request: InsightsRequest) -> Callable[[Campaign], bool]:
    """Returns which campaigns count.

    Without a filter on their status, level=campaign leaves out archived and deleted ones; level=account counts them.
    """
    today = world.local_today(account)
    statuses = [one for one in request.filters if one.field == "campaign.effective_status"]
    ids = [one for one in request.filters if one.field == "campaign.id"]
    for one in request.filters:
        if one.field.startswith("campaign.") and one not in statuses + ids:
            raise not_modelled(f"filtering by {one.field}")

    def wanted(campaign: Campaign) -> bool:
        status = effective_status(campaign, today)
        if not statuses and request.level == "campaign" and status in GONE:
            return False
        return all(_holds(one, status) for one in statuses) and all(_holds(one, str(campaign.id)) for one in ids)

    return wanted


def _holds(one: Filter, value: str) -> bool:
    values = [str(v) for v in one.value] if isinstance(one.value, list) else [str(one.value)]
    match one.operator:
        case "IN" | "EQUAL":
            return value in values
        case "NOT_IN" | "NOT_EQUAL":
            return value not in values
    raise invalid_parameter(f"Filtering operator '{one.operator}' is not supported for field '{one.field}'.")


def _metric_test(one: Filter) -> Callable[[Insight], bool]:
    if one.field not in ("impressions", "spend", "clicks", "reach"):
        raise invalid_parameter(
            f"Filtering field '{one.field}' with operation '{one.operator.lower()}' is not supported"
        )
    limit = float(one.value)

    def amount(insight: Insight) -> float:
        return float(FIELDS[one.field](insight))

    match one.operator:
        case "GREATER_THAN":
            return lambda insight: amount(insight) > limit
        case "LESS_THAN":
            return lambda insight: amount(insight) < limit
    raise invalid_parameter(f"Filtering operator '{one.operator}' is not supported for field '{one.field}'.")


def _spans(request: InsightsRequest) -> Iterator[tuple[date, date]]:
    start = request.since
    while start <= request.until:
        if request.increment == "all_days":
            stop = request.until
        elif request.increment == "monthly":
            stop = (start.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        else:
            stop = start + timedelta(days=int(request.increment) - 1)
        stop = min(stop, request.until)
        yield start, stop
        start = stop + timedelta(days=1)


def _written(insight: Insight, fields: tuple[str, ...]) -> dict[str, Any]:
    row = {name: FIELDS[name](insight) for name in fields if name in FIELDS}
    row = {name: value for name, value in row.items() if value is not None}
    return row | {"date_start": insight.start.isoformat(), "date_stop": insight.stop.isoformat()}


def _reach(insight: Insight) -> int:
    """People, not sums: campaigns reach the same people, and so do days."""
    reach = insight.activity.reach
    if insight.campaign is None:
        reach = reach * 83 // 100
    return reach * 9 // 10 if insight.stop > insight.start else reach


def _ratio(part: float, whole: float, scale: float = 1.0) -> str | None:
    return f"{scale * part / whole:.6f}" if whole else None


def _listed(
    amounts: Mapping[str, int], windows: tuple[str, ...], written: Callable[[int], str]
) -> list[dict[str, str]] | None:
    """Graph's list of actions: absent when there are none. A window that counts nothing is left out of its action."""
    rows = [{"action_type": action, "value": written(amounts[action])} for action in sorted(amounts)]
    for row in rows if windows else ():
        parts = {window: in_window(amounts[row["action_type"]], window) for window in windows}
        row.update({window: written(part) for window, part in parts.items() if part})
    return rows or None


def _value(amount: int) -> str:
    """Hundredths without trailing zeros, as Graph writes values: 1250 is 12.5."""
    return f"{amount // 100}.{amount % 100:02}".rstrip("0").rstrip(".")


def _cost_per_action(insight: Insight) -> list[dict[str, str]] | None:
    activity = insight.activity
    rows = [
        {"action_type": action, "value": f"{activity.spend / 100 / count:.6f}"}
        for action, count in sorted(activity.actions.items())
    ]
    return rows or None


# The value of each field; None leaves it out of the row.
FIELDS: dict[str, Callable[[Insight], Any]] = {
    "account_id": lambda i: i.account.id,
    "account_name": lambda i: i.account.name,
    "account_currency": lambda i: i.account.currency,
    "campaign_id": lambda i: str(i.campaign.id) if i.campaign else None,
    "campaign_name": lambda i: i.campaign.name if i.campaign else None,
    "objective": lambda i: i.campaign.kind if i.campaign else None,
    "buying_type": lambda i: "AUCTION" if i.campaign else None,
    "attribution_setting": lambda i: "7d_click_1d_view" if i.campaign else None,
    "impressions": lambda i: str(i.activity.impressions),
    "clicks": lambda i: str(i.activity.clicks),
    "spend": lambda i: str(hundredths(i.activity.spend)),
    "reach": lambda i: str(_reach(i)),
    "frequency": lambda i: _ratio(i.activity.impressions, _reach(i)),
    "ctr": lambda i: _ratio(i.activity.clicks, i.activity.impressions, 100),
    "cpc": lambda i: _ratio(i.activity.spend / 100, i.activity.clicks),
    "cpm": lambda i: _ratio(i.activity.spend / 100, i.activity.impressions, 1000),
    "inline_link_clicks": lambda i: str(i.activity.link_clicks) if i.activity.link_clicks else None,
    "actions": lambda i: _listed(i.activity.actions, i.windows, str),
    "action_values": lambda i: _listed(i.activity.values, i.windows, _value),
    "cost_per_action_type": _cost_per_action,
}
