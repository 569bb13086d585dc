"""Counts orders, to find the deleted ones: Shopify reports a deletion only to apps that listen for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from mdp_dagster.connectors.errors import AccountError, TransientError
from mdp_dagster.connectors.shop_documents import ShopWindow
from mdp_dagster.connectors.shopify.client import ShopifyClient
from mdp_dagster.connectors.shopify.line_values import id_number
from mdp_dagster.connectors.shopify.reports import ORDER_IDS, instants_filter, order_counts_query, since_filter

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
            query = order_counts_query(filters)
            answer = self._client.read(query, lambda data: {name: _count(number) for name, number in data.items()})
            if missing := [name for name in named if answer.get(name) is None]:
                raise TransientError(
                    f"{self._client.domain}: the numbers of orders are not exact: {', '.join(missing)}"
                )
            counted |= {day: answer[name] or 0 for name, day in named.items()}
        return counted

    def ids(self, day: date, changed_since: datetime | None = None) -> set[int]:
        """Returns the ids of a day's orders, or only of those that changed since."""
        step = _HOURS if self.counts([day])[day] < _MOST_PAGED else 1
        windows = [_hours(day, hour, hour + step) for hour in range(0, _HOURS, step)]
        return {order for window in windows for order in self._ids(window, changed_since)}

    def _ids(self, window: ShopWindow, changed_since: datetime | None) -> set[int]:
        text = instants_filter("created_at", window)
        if changed_since is not None:
            text += f" AND {since_filter('updated_at', changed_since)}"
        found: set[int] = set()
        after: str | None = None
        for _ in range(_MOST_PAGES):
            variables = {"filter": text, "after": after}
            ids, after = self._client.read(ORDER_IDS, _page, variables)
            found |= ids
            if after is None:
                return found
        raise AccountError(
            f"{self._client.domain}: more than 25,000 orders between {window.start} and {window.end}",
            "run the count of deleted orders without this day",
        )


def _count(number: Any) -> int | None:
    """The number; None if it is not exact."""
    return int(number["count"]) if number["precision"] == "EXACT" else None


def _page(data: dict[str, Any]) -> tuple[set[int], str | None]:
    """The ids of a page, and the cursor of the next one."""
    page = data["orders"]
    step = page["pageInfo"]
    after = str(step["endCursor"]) if step["hasNextPage"] else None
    return {id_number(node["id"], "id") for node in page["nodes"]}, after


def _hours(day: date, first: int, end: int) -> ShopWindow:
    midnight = datetime.combine(day, time(), timezone.utc)
    return ShopWindow(midnight + timedelta(hours=first), midnight + timedelta(hours=end))
