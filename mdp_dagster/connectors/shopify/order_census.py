"""Counts orders, to find the deleted ones: Shopify reports a deletion only to apps that listen for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone

from mdp_dagster.connectors.errors import AccountError, TransientError
from mdp_dagster.connectors.shop_documents import ShopWindow
from mdp_dagster.connectors.shopify.client import ShopifyClient
from mdp_dagster.connectors.shopify.line_values import id_number
from mdp_dagster.connectors.shopify.reports import ORDER_IDS, instants_filter, order_counts_query

_DAYS_PER_QUERY = 25
_HOURS = 24
_MOST_PAGED = 25_000  # Shopify pages no further, so a day with more orders is read in hours
_MOST_PAGES = 101


class OrderCensus:
    """The orders of one shop by the day (UTC) on which they were created."""

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client

    def counts(self, days: Sequence[date]) -> dict[date, int]:
        """Returns the number of orders of each day.

        Raises:
            TransientError: Shopify gave no exact number.
        """
        counted: dict[date, int] = {}
        for first in range(0, len(days), _DAYS_PER_QUERY):
            named = {f"d{day:%Y%m%d}": day for day in days[first : first + _DAYS_PER_QUERY]}
            filters = {name: instants_filter("created_at", _hours(day, 0, _HOURS)) for name, day in named.items()}
            answer = self._client.run(order_counts_query(filters))
            counted |= {day: self._exact(answer.get(name), day) for name, day in named.items()}
        return counted

    def ids(self, day: date) -> set[int]:
        """Returns the ids of a day's orders."""
        step = _HOURS if self.counts([day])[day] < _MOST_PAGED else 1
        return {order for hour in range(0, _HOURS, step) for order in self._ids(_hours(day, hour, hour + step))}

    def _exact(self, count: object, day: date) -> int:
        if isinstance(count, dict) and type(count.get("count")) is int and count.get("precision") == "EXACT":
            return int(count["count"])
        raise TransientError(f"{self._client.domain}: the number of orders of {day} is not exact: {count}")

    def _ids(self, window: ShopWindow) -> set[int]:
        found: set[int] = set()
        after: str | None = None
        for _ in range(_MOST_PAGES):
            variables = {"filter": instants_filter("created_at", window), "after": after}
            page = self._client.run(ORDER_IDS, variables).get("orders") or {}
            found |= {id_number(node.get("id"), "id") for node in page.get("nodes") or []}
            step = page.get("pageInfo") or {}
            if not step.get("hasNextPage"):
                return found
            after = step.get("endCursor")
        raise AccountError(
            f"{self._client.domain}: more than 25,000 orders between {window.start} and {window.end}",
            "run the count of deleted orders without this day",
        )


def _hours(day: date, first: int, end: int) -> ShopWindow:
    midnight = datetime.combine(day, time(), timezone.utc)
    return ShopWindow(midnight + timedelta(hours=first), midnight + timedelta(hours=end))
