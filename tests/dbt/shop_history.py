"""Random histories of two shops in raw: orders that change, move to another customer, and are deleted."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .support import Row, Warehouse

SHOPS = {1: ("paris.example.com", "Europe/Paris", "EUR"), 2: ("la.example.com", "America/Los_Angeles", "USD")}
START = datetime(2026, 1, 1)
EXTRACTED = datetime(2026, 5, 1)
ZONES = ("Europe/Paris", "America/Los_Angeles", "Pacific/Auckland")
PLACES = [("FR", "IDF"), ("FR", None), ("DE", "BE"), (None, None)]


@dataclass
class Order:
    """The current version of an order."""

    facts: Row
    items: list[Row]
    sales: list[Row]


class ShopHistory:
    """Appends extracts to raw, as the ingest layer does. The same seed gives the same history."""

    def __init__(self, seed: int, warehouse: Warehouse) -> None:
        self.random = random.Random(seed)
        self.warehouse = warehouse
        self.extracts = 0
        self.seq = 0
        self.next_id = 2**53
        self.orders: dict[tuple[int, int], Order] = {}
        self.zones = {shop: zone for shop, (_, zone, _) in SHOPS.items()}

    def extract(self, shop: int, changes: int, *, facts: bool = False) -> None:
        """One extract of a shop, with new and changed orders. With `facts`, the shop moves to another time zone."""
        self.extracts += 1
        account, _, currency = SHOPS[shop]
        key = {"source": "shop", "account_id": account, "extract_run_id": f"e{self.extracts}"}
        at = EXTRACTED + timedelta(hours=self.extracts)
        with self.warehouse.at_once():
            if facts:
                self.zones[shop] = self.random.choice(ZONES)
            if facts or self.extracts <= len(SHOPS):
                self._append(key, at, "shops", [{"shop_id": shop, "domain": account, "name": account.title(),
                                                 "time_zone": self.zones[shop], "currency": currency}])  # fmt: skip
                products = [
                    {"shop_id": shop, "product_id": p, "title": f"P{p} of {self.extracts}", "vendor": f"V{p % 2}"}
                    for p in range(1, 6)
                ]
                self._append(key, at, "products", products)
            for _ in range(changes):
                self._change(key, at, shop, currency)
            self._ledger(key, at, "orders")

    def _append(self, key: Row, at: datetime, report: str, rows: list[Row]) -> None:
        self.seq += 1
        raw = [{**key, "ingested_at": str(at), "change_seq": self.seq, **row} for row in rows]
        self.warehouse.insert(f"raw_shop__{report}", raw)
        if report not in ("orders", "order_items", "order_sales"):
            self._ledger(key, at, report)

    def _ledger(self, key: Row, at: datetime, report: str) -> None:
        self.warehouse.insert("raw__feeds", [{**key, "report": report, "extracted_at": str(at), "cursor_to": self.seq}])

    def _change(self, key: Row, at: datetime, shop: int, currency: str) -> None:
        known = [order_id for of, order_id in self.orders if of == shop]
        kind = self.random.choice(("new", "new", "return", "edit", "customer", "delete") if known else ("new",))
        deleted = None
        if kind == "new":
            order_id = self._id()
            order = self._new_order(shop, order_id, currency)
            if self.random.random() < 0.3:  # placed long ago, and imported today
                order.facts["processed_at"] = str(START - timedelta(days=self.random.randint(1, 40)))
        else:
            order_id = self.random.choice(known)
            order = self.orders[shop, order_id]
        when = str(START + timedelta(hours=self.random.randint(0, 24 * 100)))
        if kind == "return":
            self._sale(order, order.items[0], when, "RETURN", "RETURN", -1)
        elif kind == "edit":
            order.items.append(self._item(shop, order_id))
            self._sale(order, order.items[-1], when, "ORDER_EDIT", "UPDATE", 1)
        elif kind == "customer":
            order.facts["customer_id"] = self._customer()
        elif kind == "delete":
            deleted = str(at)
        self.orders[shop, order_id] = order
        if deleted:
            del self.orders[shop, order_id]
        self._append(key, at, "orders", [{**order.facts, "deleted_at": deleted}])
        self.seq -= 1  # the parts of a document have its number
        self._append(key, at, "order_items", order.items)
        self.seq -= 1
        self._append(key, at, "order_sales", order.sales)

    def _customer(self) -> int | None:
        return self.random.choice([None, 1, 2, 3, 4, 5, 6])

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id

    def _item(self, shop: int, order_id: int) -> Row:
        return {"shop_id": shop, "order_id": order_id, "line_item_id": self._id(),
                "product_id": self.random.choice([1, 2, 3, 4, 5, None]), "quantity": 1, "current_quantity": 1,
                "gift_card": False, "unit_price": "10.00", "discount": "0.00"}  # fmt: skip

    def _new_order(self, shop: int, order_id: int, currency: str) -> Order:
        placed = str(START + timedelta(hours=self.random.randint(0, 24 * 100)))
        ship, bill = self.random.choice(PLACES), self.random.choice(PLACES)
        facts = {"shop_id": shop, "order_id": order_id, "name": f"#{order_id}", "created_at": placed,
                 "processed_at": placed, "test": self.random.random() < 0.1, "currency": currency,
                 "customer_id": self._customer(), "ship_country": ship[0], "ship_province": ship[1],
                 "bill_country": bill[0], "bill_province": bill[1], "total_price": "1.00",
                 "current_total_price": "1.00", "original_total_price": "1.00"}  # fmt: skip
        if self.random.random() < 0.2:
            facts["currency"] = "GBP"  # the shop's currency at that time
        order = Order(facts, [self._item(shop, order_id) for _ in range(self.random.randint(1, 3))], [])
        for item in order.items:
            self._sale(order, item, placed, "ORDER", "ORDER", self.random.randint(1, 4))
        for line_type in ("SHIPPING", "TIP", "GIFT_CARD", "DUTY", "UNKNOWN"):
            if self.random.random() < 0.3:
                self._sale(order, None, placed, "ORDER", "ORDER", 1, line_type)
        return order

    def _sale(
        self, order: Order, item: Row | None, at: str, reason: str, action: str, quantity: int, line: str = "PRODUCT"
    ) -> None:
        cents = quantity * self.random.randint(100, 9999)
        sale: dict[str, Any] = {
            "shop_id": order.facts["shop_id"],
            "sale_id": self._id(),
            "order_id": order.facts["order_id"],
            "agreement_id": self._id(),
            "happened_at": at,
            "reason": reason,
            "action_type": action,
            "line_type": line,
            "line_item_id": item["line_item_id"] if item else None,
            "quantity": quantity if item else None,
            "amount": f"{cents / 100:.2f}",
            "tax": f"{quantity * 13 / 100:.2f}",
            "discount_before_tax": "0.50" if action != "RETURN" else "0.00",
        }
        order.sales.append(sale)
