"""Rows of orders, and a store with one shop."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Any

import psycopg

from mdp_dagster.connectors.shop_documents import (
    AgreementRow,
    ItemRow,
    OrderRow,
    SaleRow,
    ShopFacts,
    ShopReport,
    ShopRow,
    ShopWindow,
)
from mdp_dagster.operational.postgres_errors import Address
from mdp_dagster.operational.shop_store import ShopStore, SyncResult
from mdp_dagster.operational.sync_records import Sync

START = datetime(2026, 11, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
_sync_numbers = count(1)


@dataclass(frozen=True)
class Order:
    """A version of an order: one sale for each of its prices. ``minute`` is when it was last changed."""

    order_id: int
    minute: int = 0
    prices: tuple[str, ...] = ("10.00",)
    columns: dict[str, Any] = field(default_factory=dict)
    item_ids: tuple[int, ...] = ()
    title: str = "Chair"

    def items(self) -> tuple[int, ...]:
        return self.item_ids or tuple(self.order_id * 100 + n for n in range(len(self.prices)))

    def rows(self) -> list[ShopRow]:
        """The order's rows, the children first."""
        total = str(sum(map(Decimal, self.prices)))
        placed = (START - DAY).isoformat()
        order: dict[str, Any] = {
            **dict.fromkeys(OrderRow._fields),
            "order_id": self.order_id,
            "created_at": placed,
            "processed_at": placed,
            "updated_at": (START + timedelta(minutes=self.minute)).isoformat(),
            "test": False,
            "taxes_included": True,
            "currency": "EUR",
            "total_price": total,
            "current_total_price": total,
            "original_total_price": total,
            "discount_codes": "[]",
        }
        agreement = self.order_id * 100
        children: list[ShopRow] = []
        for number, (item, price) in enumerate(zip(self.items(), self.prices, strict=True)):
            children.append(SaleRow(agreement + number, agreement, "ORDER", "PRODUCT", item, 1, price, "1.00", "0"))
            children.append(ItemRow(item, self.order_id, 5, 6, self.title, None, "S", "V", 1, 1, False, price, "0"))
        return [
            *children,
            AgreementRow(agreement, self.order_id, placed, "ORDER"),
            OrderRow(**{**order, **self.columns}),
        ]


def rows_of(orders: Iterable[Order], shuffled: random.Random | None = None) -> list[ShopRow]:
    rows = [row for order in orders for row in order.rows()]
    if shuffled:
        shuffled.shuffle(rows)
    return rows


class TestStore(ShopStore):
    """The store with one shop. Each sync is an hour after the one before, unless a test sets its time."""

    __test__ = False

    def __init__(self, address: Address, shop: ShopFacts) -> None:
        super().__init__(address)
        self.shop = shop

    def of_shop(self, **facts: str) -> TestStore:
        return TestStore(self.address, replace(self.shop, **facts))

    def new_sync(self, report: ShopReport = "orders", **values: Any) -> Sync:
        number = next(_sync_numbers)
        return Sync(
            **{
                "sync_id": f"sync-{number}",
                "shop": self.shop,
                "report": report,
                "window": ShopWindow(START, START + DAY),
                "read_at": START + DAY + timedelta(hours=number),
                **values,
            }
        )

    def load(self, *parts: Sequence[Order] | Sequence[ShopRow], **values: Any) -> SyncResult:
        """Syncs the orders or rows of each file."""
        return self.sync(self.new_sync(**values), [_rows(part) for part in parts])

    def query(self, sql: str) -> list[Any]:
        """Rows of a statement; ``$shop`` is the shop's id."""
        with psycopg.connect(self.address.url) as connection:
            return connection.execute(sql.replace("$shop", str(self.shop.shop_id))).fetchall()

    def orders(self) -> dict[int, tuple[Any, ...]]:
        """The content of each order that is not deleted: its items, its sales, its total, and why it was cancelled."""
        found = self.query(
            """
            select o.order_id,
                (select array_agg(concat('(', line_item_id, ',', unit_price::float, ',', title, ')')
                        order by line_item_id)
                    from shop.order_items i where i.shop_id = o.shop_id and i.order_id = o.order_id),
                (select array_agg(concat('(', sale_id, ',', amount::float, ')') order by sale_id)
                    from shop.order_sales s where s.shop_id = o.shop_id and s.order_id = o.order_id),
                original_total_price, cancel_reason
            from shop.orders o where shop_id = $shop and deleted_at is null order by 1
            """
        )
        return {order_id: rest for order_id, *rest in found}  # type: ignore[misc]

    def versions(self) -> dict[int, int]:
        return dict(self.query("select order_id, change_seq from shop.orders where shop_id = $shop"))

    def counts(self) -> dict[str, int]:
        tables = ("orders", "order_items", "order_sales", "products", "variants", "customers", "syncs", "rejects")
        [row] = self.query(
            "select "
            + ", ".join(f"(select count(*) from shop.{table} where shop_id = $shop) as {table}" for table in tables)
        )
        return dict(zip(tables, row, strict=True))

    def reasons(self) -> list[tuple[int | None, str]]:
        return self.query("select document_id, reason from shop.rejects where shop_id = $shop order by 1, 2")


def _rows(part: Sequence[Order] | Sequence[ShopRow]) -> list[ShopRow]:
    return [row for item in part for row in (item.rows() if isinstance(item, Order) else [item])]
