"""Every row of the shop's marts equals the sandbox's truth, over the real path from Shopify through PostgreSQL to dbt.

The truth is a second implementation, in plain Python, from the sandbox's facts. The nights of one history follow each
other: each one changes the shops, synchronises, extracts and builds what changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mdp_dagster.connectors.shopify.source import SOURCE
from mdp_dagster.ingest import shop_sync
from mdp_dagster.ingest.feeds import FeedRun, ingest_changes
from mdp_dagster.ingest.shop_sync import ShopStores, find_deleted_orders, sync_shop
from mdp_dagster.lake import Lake
from mdp_dagster.operational.changes import StoreChanges
from mdp_dagster.operational.embedded_server import RunningServer
from mdp_dagster.operational.postgres_errors import read_address
from mdp_dagster.operational.shop_reports import FEEDS
from mdp_dagster.operational.shop_store import ShopStore
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from sandbox import Sandbox
from sandbox.shopify.edits import Edits
from sandbox.shopify.shop_world import ShopWorld
from tests.support.sandbox_clients import NOW, sandbox  # noqa: F401

from .support import SHOP_TABLES, WAREHOUSE_FILE, Dbt, Row, Warehouse, point_dbt_at, table, went_wrong

NORDLICHT, HARBORLINE = "nordlicht-outdoor.myshopify.com", "harborline-home.myshopify.com"
START = date(2026, 10, 20)  # in both zones, a day of 25 hours follows
EVER = date(2026, 1, 1), date(2027, 1, 1)
DAY = timedelta(days=1)
LAG = timedelta(minutes=2)  # a sync leaves the newest orders to the next one
TABLES = {
    "mart_shop__daily": ("jour", "boutique", "devise"),
    "mart_shop__geo_daily": ("jour", "boutique", "pays_code", "region_code", "devise"),
    "mart_shop__product_daily": ("jour", "boutique", "produit_id", "devise"),
    "kpis_produit": ("jour", "boutique", "produit_id", "devise"),
    "ventes_geographiques": ("jour", "boutique", "pays_code", "region_code", "devise"),
    "ltv_cohorts": ("boutique", "devise", "cohorte", "mois"),
    "produits_premium": ("boutique", "devise", "produit_id"),
}
NOT_IN_TRUTH = {"shop_id", "extracted_at", "pays"}


@dataclass
class Shops:
    """The shops of the sandbox, and a store, a lake and a warehouse that receive their orders."""

    places: ShopStores
    sandbox: Sandbox
    warehouse: Warehouse
    dbt: Dbt
    nights: int = 0
    now: datetime = NOW

    def clock(self, now: datetime) -> None:
        """Sets the sandbox's clock to the last instant that a sync at ``now`` sees."""
        self.now = now
        self.sandbox.world.now = now - LAG

    def edits(self, domain: str) -> Edits:
        return self.control.edits(domain)

    def world(self, domain: str) -> ShopWorld:
        return self.control._shop(domain)

    @property
    def control(self) -> Any:
        return self.sandbox.servers["shopify"].control  # type: ignore[attr-defined]

    def night(self, *command: str) -> None:
        """A sync, an extract and a build."""
        self.nights += 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shop_sync, "utc_now", lambda: self.now)
            for domain in (NORDLICHT, HARBORLINE):
                sync_shop(self.places, domain, f"night-{self.nights}")
                find_deleted_orders(self.places, domain, f"deleted-{self.nights}", self._days())
        run = FeedRun(self.places.lake, DuckDBWarehouse(self.warehouse.path), "run")
        ingest_changes(StoreChanges(self.places.store.address), FEEDS, None, run)
        self.build(*command)

    def _days(self) -> list[date]:
        return [START + timedelta(days=n) for n in range((self.now.date() - START).days + 1)]

    def orders(self, domain: str) -> list[tuple[int, int | None, int, int]]:
        """The shop's orders since START with their customer, an item and its variant, oldest first, without tests."""
        with psycopg.connect(self.places.store.address.url) as connection:
            return connection.execute(
                """
                select distinct on (o.order_id) o.order_id, o.customer_id, i.line_item_id, i.variant_id
                from shop.orders as o
                inner join shop.shops as s using (shop_id)
                inner join shop.order_items as i using (shop_id, order_id)
                where s.domain = %s and not o.test and o.deleted_at is null and i.variant_id is not null
                    and o.created_at >= %s
                order by o.order_id, i.line_item_id
                """,
                [domain, START],
            ).fetchall()

    def build(self, *command: str) -> None:
        now = f"{self.now:%Y-%m-%d %H:%M:%S}"
        assert not went_wrong(self.dbt.build_shop(*command, now=now, premium_min_units="4"))

    def contents(self) -> dict[str, list[Row]]:
        """The tables of the shop that are the same after a full build. Views follow from them."""
        return {
            name: table(self.warehouse, f"{node['schema']}.{name}")
            for name, node in self.dbt.nodes("model", "shop").items()
            if node["config"]["materialized"] != "view" and name != "int_shop__touched_dates"
        }

    def truth(self) -> dict[str, list[Row]]:
        """The rows of each table."""
        found: dict[str, list[Row]] = {name: [] for name in TABLES}
        for domain in (NORDLICHT, HARBORLINE):
            truth = self.control.truth(domain, f"{START}T00:00:00Z")
            products, places = truth.product_daily(*EVER), truth.geo_daily(*EVER)
            found["mart_shop__daily"] += truth.shop_daily(*EVER)
            found["mart_shop__geo_daily"] += places
            found["mart_shop__product_daily"] += products
            found["kpis_produit"] += products
            found["ventes_geographiques"] += places
            found["ltv_cohorts"] += truth.cohorts()
            found["produits_premium"] += truth.premium_products(self._today(domain) - DAY, least_units=4)
        return found

    def _today(self, domain: str) -> date:
        return self.now.astimezone(self.world(domain).zone).date()

    def assert_true(self, *names: str) -> None:
        """Every row and column of the marts equals the truth, and the truth has every column."""
        truth = self.truth()
        for name, key in [(name, TABLES[name]) for name in names or TABLES]:
            rows = self.warehouse.query(f"select * from mdp_marts.{name}")
            assert rows, name
            columns = set(rows[0]) - NOT_IN_TRUTH
            expected = {
                tuple(row[part] for part in key): {column: _plain(row[column]) for column in columns}
                for row in truth[name]
            }
            shown = {tuple(row[part] for part in key): {column: row[column] for column in columns} for row in rows}
            assert len(shown) == len(rows), name
            assert set(shown) == set(expected), name
            wrong = {key: (shown[key], expected[key]) for key in shown if shown[key] != expected[key]}
            assert not wrong, (name, len(wrong), next(iter(wrong.items())))


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Fraction) else value


@pytest.fixture(scope="module")
def shops(
    dbt: Dbt,
    sandbox: Sandbox,  # noqa: F811
    postgres_server: RunningServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shops]:
    folder = tmp_path_factory.mktemp("shop-truth")
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("drop database if exists shop_truth (force)")
        connection.execute("create database shop_truth")
    store = ShopStore(read_address(postgres_server.url.replace("/postgres", "/shop_truth")))
    assert SOURCE.shop is not None
    sandbox.faults.clear()
    sandbox.forget_edits()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.env.items():
            if SOURCE.owns_variable(name):
                patch.setenv(name, value)
        patch.setenv("SHOPIFY_START_DATE", START.isoformat())
        point_dbt_at(folder / WAREHOUSE_FILE, patch)
        places = ShopStores(SOURCE.name, SOURCE.shop, store, Lake(str(folder / "lake")))
        yield Shops(places, sandbox, Warehouse(Path(folder, WAREHOUSE_FILE), SHOP_TABLES), dbt)
    sandbox.forget_edits()
    sandbox.world.now = NOW


def edit_everything(shops: Shops, at: datetime) -> None:
    """One change of each kind."""
    edits, orders = shops.edits(NORDLICHT), shops.orders(NORDLICHT)
    known = [order for order in orders if order[1] is not None]
    (first, _, _, variant), second, third, fourth, fifth, sixth, seventh, eighth = known[10:400:50]
    edits.refund(first, at=at)
    edits.refund(second[0], {second[2]: 1}, reason="RETURN", shipping=True, adjustment=300, at=at)
    edits.add_item(third[0], variant, 3, at=at)
    edits.remove_items(fourth[0], {fourth[2]: 1}, at=at)
    edits.discount(fifth[0], fifth[2], 250, at=at)
    edits.cancel(sixth[0], at=at)
    edits.touch(seventh[0], at=at)
    edits.delete(eighth[0], at=at)
    edits.set_customer(known[-5][0], known[20][1], at=at)
    edits.merge_customers(known[30][1], known[31][1], at=at)
    edits.redact_customer(known[35][1], at=at)
    edits.rename_product(shops.world(NORDLICHT).shop.products[0].id, 'Schuh; "neu"', at=at)

    edits.add_order([(variant, 1)], test=True, country="DE", customer_id=known[40][1], at=at)
    edits.add_order([(variant, 2)], at=at)  # a guest without an address
    # Placed on the last day of September in UTC, and on the first of October in Berlin: these are the first orders.
    imported = datetime(2026, 9, 30, 22, 30, tzinfo=timezone.utc)
    for customer in (known[41][1], known[42][1]):
        edits.add_order([(variant, 1)], customer_id=customer, country="FR", processed_at=imported, at=at)
    newcomer = shops.world(NORDLICHT).shop.first_id + 1
    for quantity in (1, 5):  # at the same instant: the lower id is the first order
        edits.add_order([(variant, quantity)], customer_id=newcomer, country="FR", discount_percent=10, at=at)


def test_every_row_is_true_after_every_night(shops: Shops) -> None:
    shops.clock(NOW - timedelta(hours=74))
    shops.night()
    shops.assert_true()

    shops.clock(NOW - timedelta(hours=50))
    edit_everything(shops, shops.now - timedelta(hours=3))
    shops.edits(HARBORLINE).change_currency("CAD", at=shops.now - timedelta(hours=12))
    shops.night()
    shops.assert_true()
    assert {row["devise"] for row in shops.warehouse.query("select devise from mdp_marts.ltv_cohorts")} == {
        "EUR",
        "USD",
        "CAD",
    }

    shops.clock(NOW - timedelta(hours=26))
    shops.edits(HARBORLINE).change_time_zone("Pacific/Auckland")
    firsts = [order for order in shops.orders(NORDLICHT) if order[1] is not None][50:60]
    for order in firsts:  # with its first order, a customer moves to another cohort
        shops.edits(NORDLICHT).delete(order[0], at=shops.now - timedelta(hours=1))
    shops.night()
    shops.assert_true()

    shops.clock(NOW)  # a sync without any change by hand
    shops.night()
    shops.assert_true()

    before = shops.contents()
    shops.now += timedelta(days=80)  # no order changes: only the calendar moves, past orders in the 90 days
    shops.build()
    assert shops.contents() == before
    shops.assert_true("produits_premium")
    shops.build("--full-refresh")
    assert shops.contents() == before
