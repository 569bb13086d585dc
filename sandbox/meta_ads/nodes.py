"""Ad accounts and campaigns as Graph shows them: an object of the requested fields."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from sandbox.meta_ads.errors import no_such_field, not_modelled
from sandbox.meta_ads.params import Filter
from sandbox.model import EPOCH, Account, Campaign
from sandbox.world import World

GONE = ("ARCHIVED", "DELETED")
_ACCOUNT_STATUS = {"ENABLED": 1, "DISABLED": 2}


def effective_status(campaign: Campaign, today: date) -> str:
    """ACTIVE, PAUSED, ARCHIVED or DELETED as of today."""
    status = campaign.status_on(today)
    if status == "REMOVED":
        return GONE[campaign.id % 2]
    return "ACTIVE" if status == "ENABLED" else "PAUSED"


def account_node(world: World, account: Account, fields: Sequence[str]) -> dict[str, Any]:
    """An ad account. Without fields Graph gives its id only."""
    return {name: _value(name, "AdAccount", _ACCOUNT, (world, account)) for name in (*fields, "id")}


def campaign_node(world: World, account: Account, campaign: Campaign, fields: Sequence[str]) -> dict[str, Any]:
    """A campaign. Without fields Graph gives its id only."""
    values = {name: _value(name, "Campaign", _CAMPAIGN, (world, account, campaign)) for name in (*fields, "id")}
    return {name: value for name, value in values.items() if value is not None}


def campaigns(
    world: World, account: Account, fields: Sequence[str], statuses: Sequence[str], filters: Sequence[Filter]
) -> list[dict[str, Any]]:
    """The account's campaigns. Archived and deleted ones only if their status is requested."""
    today = world.local_today(account)
    wanted = set(statuses)
    for one in filters:
        if one.field not in ("effective_status", "campaign.effective_status") or one.operator != "IN":
            raise not_modelled(f"filtering campaigns by {one.field} {one.operator}")
        wanted |= set(one.value)
    return [
        campaign_node(world, account, campaign, fields)
        for campaign in world.campaigns(account)
        if _listed(effective_status(campaign, today), wanted)
    ]


def _listed(status: str, wanted: set[str]) -> bool:
    return status in wanted if wanted else status not in GONE


def _value(name: str, node: str, known: dict[str, Callable[..., Any]], about: tuple[Any, ...]) -> Any:
    if name in known:
        return known[name](*about)
    if name in _vendor_fields(node):
        raise not_modelled(f"the field {name} of {node}")
    raise no_such_field(name, node)


@lru_cache(maxsize=4)
def _vendor_fields(node: str) -> frozenset[str]:
    module = importlib.import_module(f"facebook_business.adobjects.{node.lower()}")
    return frozenset(v for k, v in vars(getattr(module, node).Field).items() if not k.startswith("_"))


def _moment(account: Account, day: date, clock: time = time()) -> str:
    return datetime.combine(day, clock, account.zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def _offset_hours(world: World, account: Account) -> float:
    offset = world.now.astimezone(account.zone).utcoffset() or timedelta()
    return offset.total_seconds() / 3600


_ACCOUNT: dict[str, Callable[[World, Account], Any]] = {
    "id": lambda w, a: f"act_{a.id}",
    "account_id": lambda w, a: a.id,
    "name": lambda w, a: a.name,
    "currency": lambda w, a: a.currency,
    "timezone_name": lambda w, a: a.time_zone,
    "timezone_offset_hours_utc": lambda w, a: _offset_hours(w, a),
    "account_status": lambda w, a: _ACCOUNT_STATUS.get(a.status, 101),
    "disable_reason": lambda w, a: 0,
    "created_time": lambda w, a: _moment(a, EPOCH),
    "business_name": lambda w, a: a.name,
    "is_prepay_account": lambda w, a: False,
}
_CAMPAIGN: dict[str, Callable[[World, Account, Campaign], Any]] = {
    "id": lambda w, a, c: str(c.id),
    "account_id": lambda w, a, c: a.id,
    "name": lambda w, a, c: c.name,
    "objective": lambda w, a, c: c.kind,
    "status": lambda w, a, c: effective_status(c, w.local_today(a)),
    "configured_status": lambda w, a, c: effective_status(c, w.local_today(a)),
    "effective_status": lambda w, a, c: effective_status(c, w.local_today(a)),
    "buying_type": lambda w, a, c: "AUCTION",
    "created_time": lambda w, a, c: _moment(a, c.first_day or EPOCH),
    "start_time": lambda w, a, c: _moment(a, c.first_day or EPOCH),
    "stop_time": lambda w, a, c: _moment(a, c.last_day, time(23, 59, 59)) if c.last_day else None,
}
