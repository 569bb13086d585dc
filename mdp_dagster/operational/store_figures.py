"""Figures of the store, for the checks of a night."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from mdp_dagster.operational.postgres import connected
from mdp_dagster.operational.postgres_errors import Address
from mdp_dagster.operational.store_schema import SCHEMA, prepare_store
from mdp_dagster.operational.sync_records import COMMITTED


@dataclass(frozen=True, kw_only=True)
class ShopState:
    """A shop in the store.

    Args:
        shop_id: The shop's own id.
        domain: Its domain in the clients file.
        time_zone: IANA name. A day of the shop is a day in this zone.
        first_change: The store has every order that changed at this instant or later.
        watermark: Up to this instant, the store has every change of orders; None before the first sync of orders.
        newest_change: The number of the newest version of any order; 0 without orders.
    """

    shop_id: int
    domain: str
    time_zone: str
    first_change: datetime | None
    watermark: datetime | None
    newest_change: int


class Reject(NamedTuple):
    """A rejected row, with the reason. It has nothing personal."""

    report: str
    table_name: str
    row_id: str
    document_id: int | None
    reason: str
    payload: str


class StoreFigures:
    """Reads figures of the store. Every method raises ``StoreError`` if PostgreSQL can't be used."""

    def __init__(self, address: Address) -> None:
        """Sends no request."""
        self._address = address

    def shops(self) -> dict[str, ShopState]:
        """Returns the shops that were synced at least once, by domain."""
        with connected(self._address) as connection:
            prepare_store(connection)
            rows = connection.execute(
                f"""
                select shop.shop_id, shop.domain, shop.time_zone, read.first_change, read.watermark,
                    coalesce((select max(change_seq) from {SCHEMA}.orders where shop_id = shop.shop_id), 0)
                from {SCHEMA}.shops as shop
                left join (
                    select shop_id, min(window_from) as first_change, max(watermark) as watermark
                    from {SCHEMA}.syncs
                    where report = 'orders' and status = '{COMMITTED}'
                    group by shop_id
                ) as read using (shop_id)
                order by shop.synced_at
                """
            ).fetchall()
        names = ("shop_id", "domain", "time_zone", "first_change", "watermark", "newest_change")
        return {row[1]: ShopState(**dict(zip(names, row, strict=True))) for row in rows}

    def orders_by_day(self, shop: ShopState, days: Sequence[date]) -> dict[date, int]:
        """Returns the number of orders of each day in the shop's zone, without tests and deleted ones."""
        with connected(self._address) as connection:
            rows = connection.execute(
                f"""
                select (processed_at at time zone %(zone)s)::date, count(*)
                from {SCHEMA}.orders
                where shop_id = %(shop_id)s and deleted_at is null and not test
                    and (processed_at at time zone %(zone)s)::date = any(%(days)s)
                group by 1
                """,
                {"zone": shop.time_zone, "shop_id": shop.shop_id, "days": list(days)},
            ).fetchall()
        return {**dict.fromkeys(days, 0), **dict(rows)}

    def rejected_orders(self, shop_id: int, order_ids: Collection[int]) -> int:
        """Returns how many of these orders were rejected at any time."""
        with connected(self._address) as connection:
            row = connection.execute(
                f"""
                select count(distinct document_id) from {SCHEMA}.rejects
                where shop_id = %s and report = 'orders' and document_id = any(%s)
                """,
                [shop_id, list(order_ids)],
            ).fetchone()
        return int(row[0]) if row else 0

    def rejects(self, domain: str, sync_id: str, most: int) -> list[Reject]:
        """Returns rejected rows of a sync. A shop without a committed sync is found by its newest rejects."""
        with connected(self._address) as connection:
            rows = connection.execute(
                f"""
                select distinct reject.report, table_name, row_id, document_id, reason, payload
                from {SCHEMA}.rejects as reject
                left join {SCHEMA}.shops as shop using (shop_id)
                where reject.sync_id = %s and (shop.domain = %s or shop.domain is null)
                order by 1, 2, 3
                limit %s
                """,
                [sync_id, domain, most],
            ).fetchall()
        return [Reject(*row) for row in rows]
