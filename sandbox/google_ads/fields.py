"""The fields that the sandbox's Google Ads serves: where each value comes from, and its type in a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sandbox.behaviour import Metrics
from sandbox.model import Account, Campaign

FieldType = Literal["int", "float", "string", "bool", "enum", "date"]


_NO_METRICS = Metrics()


@dataclass(frozen=True, slots=True)
class Client:
    """An account as its manager sees it: `level` is 0 for the manager itself, 1 for an account directly below it."""

    account: Account
    level: int


@dataclass(slots=True)
class Row:
    """One row of an answer. `today` is the customer's: a campaign's status is as of now."""

    customer: Account
    today: date
    campaign: Campaign | None = None
    client: Client | None = None
    day: date | None = None
    metrics: Metrics = _NO_METRICS


@dataclass(frozen=True, slots=True)
class Field:
    """A field of GAQL: its type, and how its value is read from a row."""

    type: FieldType
    get: Callable[[Any], Any]


# Which parts of a row a query on a resource may select.
RESOURCES: dict[str, tuple[str, ...]] = {
    "customer": ("customer", "segments", "metrics"),
    "campaign": ("campaign", "customer", "segments", "metrics"),
    "customer_client": ("customer_client", "customer"),
}


def _date_time(day: date | None, clock: str) -> str:
    return "" if day is None else f"{day} {clock}"


def _serving_status(row: Row) -> str:
    return {"ENABLED": "SERVING", "PAUSED": "SUSPENDED", "REMOVED": "ENDED"}[_status(row)]


def _status(row: Row) -> str:
    assert row.campaign is not None
    return row.campaign.status_on(row.today)


def _all_conversions(metrics: Metrics) -> float:
    # In addition to the bidding goals there are calls, store visits and others: a fifth more. Linear: sums agree.
    return metrics.conversions * 12 / 1000


FIELDS: dict[str, Field] = {
    "customer.resource_name": Field("string", lambda r: f"customers/{r.customer.id}"),
    "customer.id": Field("int", lambda r: int(r.customer.id)),
    "customer.descriptive_name": Field("string", lambda r: r.customer.name),
    "customer.currency_code": Field("string", lambda r: r.customer.currency),
    "customer.time_zone": Field("string", lambda r: r.customer.time_zone),
    "customer.manager": Field("bool", lambda r: r.customer.is_manager),
    "customer.test_account": Field("bool", lambda r: False),
    "customer.status": Field("enum", lambda r: r.customer.status),
    "campaign.resource_name": Field("string", lambda r: f"customers/{r.customer.id}/campaigns/{r.campaign.id}"),
    "campaign.id": Field("int", lambda r: r.campaign.id),
    "campaign.name": Field("string", lambda r: r.campaign.name),
    "campaign.status": Field("enum", _status),
    "campaign.serving_status": Field("enum", _serving_status),
    "campaign.advertising_channel_type": Field("enum", lambda r: r.campaign.kind),
    "campaign.start_date_time": Field("string", lambda r: _date_time(r.campaign.first_day, "00:00:00")),
    "campaign.end_date_time": Field("string", lambda r: _date_time(r.campaign.last_day, "23:59:59")),
    "customer_client.resource_name": Field(
        "string", lambda r: f"customers/{r.customer.id}/customerClients/{r.client.account.id}"
    ),
    "customer_client.client_customer": Field("string", lambda r: f"customers/{r.client.account.id}"),
    "customer_client.id": Field("int", lambda r: int(r.client.account.id)),
    "customer_client.level": Field("int", lambda r: r.client.level),
    "customer_client.manager": Field("bool", lambda r: r.client.account.is_manager),
    "customer_client.hidden": Field("bool", lambda r: False),
    "customer_client.test_account": Field("bool", lambda r: False),
    "customer_client.descriptive_name": Field("string", lambda r: r.client.account.name),
    "customer_client.currency_code": Field("string", lambda r: r.client.account.currency),
    "customer_client.time_zone": Field("string", lambda r: r.client.account.time_zone),
    "customer_client.status": Field("enum", lambda r: r.client.account.status),
    "segments.date": Field("date", lambda r: r.day.isoformat()),
    "metrics.impressions": Field("int", lambda r: r.metrics.impressions),
    "metrics.clicks": Field("int", lambda r: r.metrics.clicks),
    "metrics.cost_micros": Field("int", lambda r: r.metrics.spend * 10_000),
    "metrics.conversions": Field("float", lambda r: r.metrics.conversions / 100),
    "metrics.conversions_value": Field("float", lambda r: r.metrics.conversion_value / 100),
    "metrics.all_conversions": Field("float", lambda r: _all_conversions(r.metrics)),
    "metrics.all_conversions_value": Field("float", lambda r: r.metrics.conversion_value / 100),
    "metrics.conversions_by_conversion_date": Field("float", lambda r: r.metrics.conversions_by_date / 100),
    "metrics.conversions_value_by_conversion_date": Field("float", lambda r: r.metrics.conversion_value_by_date / 100),
    "metrics.ctr": Field("float", lambda r: r.metrics.clicks / r.metrics.impressions if r.metrics.impressions else 0.0),
    "metrics.average_cpc": Field(
        "float", lambda r: r.metrics.spend * 10_000 / r.metrics.clicks if r.metrics.clicks else 0.0
    ),
}
