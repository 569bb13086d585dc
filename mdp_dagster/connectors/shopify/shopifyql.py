"""Shopify's own totals of each day, from ShopifyQL: the figures to compare MDP's with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from mdp_dagster.connectors.errors import AccountError
from mdp_dagster.connectors.shop_totals import ShopDayTotals
from mdp_dagster.connectors.shopify.client import ShopifyClient
from mdp_dagster.connectors.shopify.line_values import decimal
from mdp_dagster.connectors.shopify.reports import SHOPIFYQL

_MEASURES = (
    "gross_sales",
    "discounts",
    "returns",
    "net_sales",
    "shipping_charges",
    "taxes",
    "total_sales",
)  # in the order of the fields


def day_totals(client: ShopifyClient, first: date, last: date) -> list[ShopDayTotals]:
    """Returns the totals of the days from ``first`` to ``last``, both included. A day without sales may be missing.

    Raises:
        AccountError: Shopify does not accept the query, or the answer has another form.
    """
    text = f"FROM sales SHOW {', '.join(_MEASURES)} GROUP BY day SINCE {first} UNTIL {last} ORDER BY day"
    errors, days = client.read(SHOPIFYQL, _answer, {"query": text})
    if errors:
        raise AccountError(f"{client.domain}: Shopify's own totals can't be read: {client.redact('; '.join(errors))}")
    return days


def _answer(data: dict[str, Any]) -> tuple[list[str], list[ShopDayTotals]]:
    """The errors in the query, and the totals."""
    answer = data["shopifyqlQuery"]
    errors, table = [str(error) for error in answer["parseErrors"]], answer["tableData"]
    if errors or table is None:
        return errors or ["the table is missing"], []
    names = [str(column["name"]) for column in table["columns"]]
    return [], [_totals(row, names) for row in table["rows"]]


def _totals(row: Any, names: Sequence[str]) -> ShopDayTotals:
    values = row if isinstance(row, dict) else dict(zip(names, row, strict=True))
    return ShopDayTotals(
        date.fromisoformat(str(values["day"])[:10]), *(decimal(str(values[name]), name) for name in _MEASURES)
    )
