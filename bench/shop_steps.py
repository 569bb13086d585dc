"""The steps of the shop's measurements, each in a process: ``python -m bench.shop_steps STEP FOLDER POSTGRES_URL``.

A step prints the CPU seconds of this process as JSON, without those of the imports.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
import psycopg

from mdp_dagster.connectors.shopify.source import SOURCE
from mdp_dagster.ingest.feeds import FeedRun, ingest_changes
from mdp_dagster.ingest.shop_sync import ShopStores, replay, sync_shop
from mdp_dagster.lake import Lake
from mdp_dagster.operational.changes import StoreChanges
from mdp_dagster.operational.postgres_errors import read_address
from mdp_dagster.operational.shop_reports import FEEDS
from mdp_dagster.operational.shop_store import ShopStore
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

SHOP = "nordlicht-outdoor.myshopify.com"  # as bench/shop_server.py has it
TABLES = ("orders", "order_items", "order_sales")


def land(folder: Path, url: str) -> None:
    """Syncs the shop. Its orders stay in the lake, for the other steps; products and customers don't."""
    sync_shop(_stores(folder, url), SHOP, "night")
    for report in ("products", "customers"):
        shutil.rmtree(folder / "lake" / SOURCE.name / report)


def load(folder: Path, url: str) -> None:
    """Commits the landed file, as a sync and a replay do."""
    replay(_stores(folder, url))


def floor_load(folder: Path, url: str) -> None:
    """Parses the landed file, and copies the values of its lines into tables without keys, constraints or checks."""
    with psycopg.connect(url) as connection:
        for table, columns in _FLOOR_COLUMNS.items():
            connection.execute(f"create temp table {table} ({', '.join(f'c{n} text' for n in range(columns))})")
        waiting: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _FLOOR_COLUMNS}
        for table, row in _bare_rows(folder):
            rows = waiting[table]
            rows.append(row)
            if len(rows) >= 10_000:
                _copy(connection, table, rows)
        for table, rows in waiting.items():
            _copy(connection, table, rows)


def extract(folder: Path, url: str) -> None:
    """Extracts all documents to raw, through the lake."""
    run = FeedRun(Lake(str(folder / "lake")), DuckDBWarehouse(folder / "warehouse.duckdb"), "bench")
    ingest_changes(StoreChanges(read_address(url)), FEEDS, None, run)


def floor_extract(folder: Path, url: str) -> None:
    """Reads the tables with the driver, and inserts each into a table of DuckDB."""
    from adbc_driver_postgresql.dbapi import connect

    with connect(url) as store, store.cursor() as cursor, duckdb.connect(str(folder / "floor.duckdb")) as warehouse:
        for table in (*TABLES, "products", "variants", "customers"):
            cursor.execute(f"select * from shop.{table}")
            rows = cursor.fetch_record_batch()  # noqa: F841  DuckDB finds it by its name
            warehouse.execute(f"create table {table} as select * from rows")


def _stores(folder: Path, url: str) -> ShopStores:
    assert SOURCE.shop is not None
    return ShopStores(SOURCE.name, SOURCE.shop, ShopStore(read_address(url)), Lake(str(folder / "lake")))


_FLOOR_COLUMNS = {"orders": 24, "items": 13, "agreements": 4, "sales": 9}


def _bare_rows(folder: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yields the same values as the rows that MDP makes of the lines, without any check."""
    for path in sorted((folder / "lake").rglob("*.jsonl.gz")):
        with gzip.open(path) as lines:
            for raw in lines:
                yield _bare_row(orjson.loads(raw))


def _bare_row(line: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    def money(name: str) -> Any:
        return line[name]["shopMoney"]["amount"]

    own_id, parent = line["id"], line.get("__parentId")
    if "updatedAt" in line:
        ship, bill = line["shippingAddress"] or {}, line["billingAddress"] or {}
        return "orders", (
            own_id, *(line[name] for name in ("name", "createdAt", "processedAt", "updatedAt", "cancelledAt")),
            *(line[name] for name in ("cancelReason", "test", "sourceName", "taxesIncluded", "currencyCode")),
            *(line[name] for name in ("presentmentCurrencyCode", "displayFinancialStatus")),
            line["displayFulfillmentStatus"], (line["customer"] or {}).get("id"),
            *(ship.get(name) for name in ("countryCodeV2", "provinceCode", "city")),
            *(bill.get(name) for name in ("countryCodeV2", "provinceCode")),
            *map(money, ("totalPriceSet", "currentTotalPriceSet", "originalTotalPriceSet")),
            str(line["discountCodes"]),
        )  # fmt: skip
    if "isGiftCard" in line:
        return "items", (
            own_id, parent, *((line[name] or {}).get("id") for name in ("product", "variant")),
            *(line[name] for name in ("title", "variantTitle", "sku", "vendor", "quantity", "currentQuantity")),
            line["isGiftCard"], money("originalUnitPriceSet"), money("totalDiscountSet"),
        )  # fmt: skip
    if "happenedAt" in line:
        return "agreements", (own_id, parent, line["happenedAt"], line["reason"])
    return "sales", (
        own_id, parent, line["actionType"], line["lineType"], (line.get("lineItem") or {}).get("id"),
        line["quantity"], *map(money, ("totalAmount", "totalTaxAmount", "totalDiscountAmountBeforeTaxes")),
    )  # fmt: skip


def _copy(connection: psycopg.Connection[Any], table: str, rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy {table} from stdin") as copy:
        for row in rows:
            copy.write_row(row)
    rows.clear()


def _counts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        if connection.execute("select to_regclass('shop.orders')").fetchone() == (None,):
            return {}
        return {table: connection.execute(f"select count(*) from shop.{table}").fetchall()[0][0] for table in TABLES}


def main() -> None:
    """Runs the step in the first argument."""
    steps: dict[str, Callable[[Path, str], None]] = {
        step.__name__: step for step in (land, load, floor_load, extract, floor_extract)
    }
    step, folder, url = steps[sys.argv[1]], Path(sys.argv[2]), sys.argv[3]
    before = time.process_time()
    step(folder, url)
    print(json.dumps({"cpu_seconds": time.process_time() - before, **_counts(url)}))


if __name__ == "__main__":
    main()
