"""The shops' part of the sandbox's own address, `/_sandbox/shopify/…`: changes by hand, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sandbox.shopify.edits import Edits
from sandbox.shopify.sales_sums import Row
from sandbox.shopify.shop_world import ShopWorld
from sandbox.shopify.truth import Truth
from sandbox.world import instant

TABLES = ("shop_daily", "product_daily", "geo_daily", "cohorts", "premium_products")


class ShopControl:
    """Changes and reads of the shops, for tests and other processes, in addition to Shopify's own API."""

    def __init__(self, shops: Mapping[str, ShopWorld]) -> None:
        self._shops = shops

    def handlers(self) -> dict[tuple[str, str], Callable[[dict[str, Any]], Any]]:
        """Returns the functions by method and path. Each takes the request's parameters."""
        return {
            ("GET", "/_sandbox/shopify/truth"): self._truth,
            ("POST", "/_sandbox/shopify/edits"): self._edit,
        }

    def edits(self, domain: str) -> Edits:
        """Returns the changes that can be made to a shop by hand."""
        return Edits(self._shop(domain))

    def truth(
        self, domain: str, changed_since: datetime | str | None = None, deletions_until: datetime | str | None = None
    ) -> Truth:
        """Returns the figures that MDP must show for a shop, see `Truth`."""
        return Truth(self._shop(domain), _instant(changed_since), _instant(deletions_until))

    def _truth(self, params: dict[str, Any]) -> list[Row]:
        table = params["table"]
        truth = self.truth(params["shop"], params.get("changed_since"), params.get("deletions_until"))
        if table not in TABLES:
            raise ValueError(f"no table {table!r}: {', '.join(TABLES)}")
        if table == "cohorts":
            rows = truth.cohorts()
        elif table == "premium_products":
            rows = truth.premium_products(date.fromisoformat(params["last_day"]) if "last_day" in params else None)
        else:
            rows = getattr(truth, table)(date.fromisoformat(params["start"]), date.fromisoformat(params["end"]))
        return [{key: _plain(value) for key, value in row.items()} for row in rows]

    def _edit(self, params: dict[str, Any]) -> Any:
        changes = self.edits(params.pop("shop")).by_name()
        name = params.pop("change")
        if name not in changes:
            raise ValueError(f"no change {name!r}: {', '.join(changes)}")
        return {"result": changes[name](**params)}

    def _shop(self, domain: str) -> ShopWorld:
        if domain not in self._shops:
            raise ValueError(f"no shop {domain!r}: {', '.join(self._shops)}")
        return self._shops[domain]


def _instant(written: datetime | str | None) -> datetime | None:
    return instant(written) if isinstance(written, str) else written


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    return str(value) if isinstance(value, date | Decimal) else value
