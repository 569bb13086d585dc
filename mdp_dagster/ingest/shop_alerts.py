"""The alerts of a night: their causes, and what to do. The checks and the alert mails read the same list."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum


class AlertCause(str, Enum):
    """Why a night needs attention. At most one alert is sent for each cause, shop and night."""

    SYNC_FAILED = "sync_failed"
    """The shop could not be read, or its store could not be written."""
    TOO_MANY_REJECTS = "too_many_rejects"
    """More than 5 % of the documents are rejected, so nothing of the shop's night was committed."""
    NO_ORDERS = "no_orders"
    """A day without orders, where there usually are some."""
    COUNT_DIFFERS = "count_differs"
    """The store has another number of orders than the shop."""
    WATERMARK_STOPPED = "watermark_stopped"
    """No sync has moved the shop's watermark for 26 hours."""
    NOT_PUBLISHED = "not_published"
    """A later step of the run failed, so nothing new was published."""


@dataclass(frozen=True)
class ShopAlert:
    """One cause at one shop.

    Args:
        cause: The cause.
        shop: The shop's domain in the clients file.
        text: What happened, in one line. It contains no secret and nothing personal.
        remedy: What to do.
    """

    cause: AlertCause
    shop: str
    text: str
    remedy: str

    def __str__(self) -> str:
        """The shop, what happened, and what to do."""
        return f"{self.shop}: {self.text} → {self.remedy}"


def dump_alerts(alerts: Iterable[ShopAlert]) -> str:
    """Returns alerts as JSON."""
    return json.dumps([{**asdict(alert), "cause": alert.cause.value} for alert in alerts])


def load_alerts(text: str) -> list[ShopAlert]:
    """Returns the alerts in a JSON text of ``dump_alerts``."""
    return [ShopAlert(**{**values, "cause": AlertCause(values["cause"])}) for values in json.loads(text)]
