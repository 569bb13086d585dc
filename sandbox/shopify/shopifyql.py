"""ShopifyQL, as far as the sandbox models it: daily totals `FROM sales`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sandbox.shopify.sales_sums import Row
from sandbox.shopify.shop_world import ShopWorld
from sandbox.shopify.truth import Truth

_QUERY = re.compile(
    r"\s*FROM\s+sales\s+SHOW\s+(?P<show>[\w\s,]+?)\s+(?:GROUP\s+BY|TIMESERIES)\s+day"
    r"(?:\s+SINCE\s+(?P<since>[\w-]+))?(?:\s+UNTIL\s+(?P<until>[\w-]+))?(?:\s+ORDER\s+BY\s+day(?:\s+ASC)?)?\s*",
    re.IGNORECASE,
)
# Discounts and returns are negative in Shopify's report.
_MEASURES: dict[str, Callable[[Row], Any]] = {
    "orders": lambda row: row["commandes"],
    "gross_sales": lambda row: row["ca_brut"],
    "discounts": lambda row: -row["remises"],
    "returns": lambda row: -row["retours"],
    "net_sales": lambda row: row["ca_net"],
    "shipping_charges": lambda row: row["livraison"],
    "taxes": lambda row: row["taxes"],
    "total_sales": lambda row: row["ca_total"],
}


def shopifyql_answer(world: ShopWorld, query: str) -> dict[str, Any]:
    """Returns the answer to a query, with what is wrong in it."""
    match = _QUERY.fullmatch(query)
    names = [name.strip().lower() for name in match["show"].split(",")] if match else []
    names = [name for name in names if name != "day"]
    unknown = [name for name in names if name not in _MEASURES]
    if match is None or unknown:
        reason = f"Column {unknown[0]} not found" if unknown else "The sandbox doesn't model this query"
        return {"parseErrors": [reason], "parseWarnings": [], "tableData": None}
    truth = Truth(world)
    first = _day(match["since"] or "-30d", truth.today)
    last = _day(match["until"] or "today", truth.today)
    found = {row["jour"]: row for row in truth.shop_daily(first, last + timedelta(days=1))
             if row["devise"] == world.currency(world.now)}  # fmt: skip
    rows = []
    for number in range(max(0, (last - first).days + 1)):
        day = first + timedelta(days=number)
        values = {name: _text(_MEASURES[name](found[day])) if day in found else "0" for name in names}
        rows.append({"day": day.isoformat(), **values})
    columns = [_column("day", "DAY_TIMESTAMP"), *(_column(n, "INTEGER" if n == "orders" else "MONEY") for n in names)]
    return {"parseErrors": [], "parseWarnings": [], "tableData": {"columns": columns, "rows": rows}}


def _column(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "dataType": kind, "displayName": name.replace("_", " ").capitalize()}


def _text(value: int | Decimal) -> str:
    return str(value)


def _day(text: str, today: date) -> date:
    if text.lower() in ("today", "yesterday"):
        return today - timedelta(days=text.lower() == "yesterday")
    if match := re.fullmatch(r"-(\d+)d", text, re.IGNORECASE):
        return today - timedelta(days=int(match[1]))
    return date.fromisoformat(text)
