"""Extracts by change: raw has every version of the shop's documents that an extract saw, and the newest one counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.connectors.shop_documents import CustomerRow
from mdp_dagster.ingest import feeds
from mdp_dagster.ingest.feed_tables import feed_tables
from mdp_dagster.ingest.feeds import FeedError, FeedLedger, FeedRun, Snapshot, ingest_changes
from mdp_dagster.ingest.rebuild import rebuild_raw
from mdp_dagster.lake import Lake
from mdp_dagster.operational.changes import StoreChanges, StoreSnapshot
from mdp_dagster.operational.embedded_server import RunningServer
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.operational.postgres_errors import read_address
from mdp_dagster.operational.shop_reports import FEEDS, ORDERS
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from tests.operational.conftest import new_shop
from tests.operational.shop_rows import START, Order, TestStore
from tests.support.effort import fuzzed
from tests.support.limits import HANG_SECONDS
from tests.warehouse.bigquery_support import bigquery_warehouse

pytestmark = pytest.mark.slow

BIG = 2**63 - 1


class Raw:
    """A store with one shop, and a lake and a warehouse that receive its changes."""

    def __init__(self, store: TestStore, lake: Lake, warehouse: Any) -> None:
        self.store = store
        self.lake = lake
        self.warehouse = warehouse
        self.source: Any = StoreChanges(store.address)

    def extract(self, *reports: FeedReport) -> dict[str, int]:
        """The number of changed documents by report."""
        run = FeedRun(self.lake, self.warehouse, "run")
        extracts = ingest_changes(self.source, reports or FEEDS, [self.store.shop.domain], run)
        return {extract.report: extract.documents for extract in extracts}

    def cursor(self) -> int:
        return FeedLedger(self.warehouse).cursor(ORDERS, self.store.shop.domain)

    def orders(self, until: datetime | None = None) -> dict[int, tuple[Any, ...]]:
        """The current orders as ``TestStore.orders`` returns them, from raw alone: the rule that dbt implements."""
        rows = self.warehouse.query(
            f"""
            with known as (
                select account_id, extract_run_id, extracted_at from mdp_raw.raw__feeds
                where source = 'shop' and report = 'orders' {"and extracted_at <= $until" if until else ""}
            ),
            current_orders as (
                select o.*
                from mdp_raw.raw_shop__orders as o
                inner join known as k on k.account_id = o.account_id and k.extract_run_id = o.extract_run_id
                where true
                qualify row_number() over (
                    partition by o.shop_id, o.order_id
                    order by o.change_seq desc, k.extracted_at desc, o.extract_run_id desc
                ) = 1
            )
            select o.order_id, o.original_total_price as total, o.cancel_reason, i.line_item_id as child,
                i.unit_price as price, i.title
            from current_orders as o
            left join mdp_raw.raw_shop__order_items as i
                on i.account_id = o.account_id and i.extract_run_id = o.extract_run_id
                and i.change_seq = o.change_seq and i.order_id = o.order_id
            where o.deleted_at is null
            union all
            select o.order_id, null, null, s.sale_id, s.amount, null
            from current_orders as o
            inner join mdp_raw.raw_shop__order_sales as s
                on s.account_id = o.account_id and s.extract_run_id = o.extract_run_id
                and s.change_seq = o.change_seq and s.order_id = o.order_id
            where o.deleted_at is null
            """,
            {"until": until} if until else None,
        ).to_pylist()
        found: dict[int, list[Any]] = {}
        for row in sorted(rows, key=lambda row: (row["total"] is None, row["child"])):
            items, sales, *facts = found.setdefault(row["order_id"], [[], [], None, None])
            price = f"{float(row['price']):g}"
            if row["total"] is None:
                sales.append(f"({row['child']},{price})")
            else:
                items.append(f"({row['child']},{price},{row['title']})")
                facts = [row["total"], row["cancel_reason"]]
            found[row["order_id"]] = [items, sales, *facts]
        return {order_id: tuple(values) for order_id, values in sorted(found.items())}

    def expected(self) -> dict[int, tuple[Any, ...]]:
        return {
            order_id: (items, sales, str(total), reason)
            for order_id, (items, sales, total, reason) in self.store.orders().items()
        }

    def count(self, table: str) -> int:
        [row] = self.warehouse.query(f"select count(*) as n from mdp_raw.{table}").to_pylist()
        return int(row["n"])


@pytest.fixture
def store(postgres_server: RunningServer) -> TestStore:
    return TestStore(read_address(postgres_server.url), new_shop())


def on_duckdb(store: TestStore, folder: Path) -> Raw:
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", lock_timeout_seconds=HANG_SECONDS)
    return Raw(store, Lake(str(folder / "lake")), warehouse)


@pytest.fixture(params=["duckdb", "bigquery"])
def any_raw(request: pytest.FixtureRequest, store: TestStore, tmp_path: Path) -> Raw:
    if request.param == "duckdb":
        return on_duckdb(store, tmp_path)
    cloud = request.getfixturevalue("google_cloud")
    return Raw(store, Lake(f"gs://{cloud.new_bucket()}/mdp", cloud.storage_client), bigquery_warehouse(cloud))


@pytest.fixture
def raw(store: TestStore, tmp_path: Path) -> Raw:
    return on_duckdb(store, tmp_path)


def test_raw_receives_only_changes_and_shows_the_newest_version(any_raw: Raw) -> None:
    raw, store = any_raw, any_raw.store
    store.load([Order(1, prices=("10.00", "0.01")), Order(2), Order(3)])
    store.load([CustomerRow(BIG, "FR", START.isoformat(), START.isoformat())], report="customers")
    assert raw.extract() == {"shops": 1, "customers": 1, "orders": 3}
    assert raw.orders() == raw.expected()
    first, reached = raw.orders(), raw.cursor()
    assert raw.extract() == {}

    store.load([Order(1, 5, ("0.02",)), Order(2), Order(4, item_ids=(BIG,), title="é\x00'\"\\")])
    store.mark_deleted(store.shop.shop_id, [3], "weekly", store.new_sync().read_at)
    assert raw.extract() == {"orders": 3}
    assert (raw.orders(), set(raw.orders())) == (raw.expected(), {1, 2, 4})
    assert raw.cursor() > reached

    ledger = raw.warehouse.query(
        "select report, cursor_from, cursor_to, row_count, extracted_at from mdp_raw.raw__feeds "
        "where report like 'order%'"
    ).to_pylist()
    by_table = {}
    for row in sorted(ledger, key=lambda row: row["extracted_at"]):
        by_table.setdefault(row["report"], []).append((row["cursor_from"], row["cursor_to"], row["row_count"]))
    assert by_table["orders"] == [(0, reached, 3), (reached, raw.cursor(), 3)]
    assert [count for *_, count in by_table["order_items"]] == [4, 2]
    for table in ("orders", "order_items", "order_sales"):
        assert raw.count(f"raw_shop__{table}") == sum(count for *_, count in by_table[table]), table
    [early, _] = sorted({row["extracted_at"] for row in ledger})
    assert raw.orders(until=early) == first

    before = {table.name: raw.count(table.name) for table in feed_tables(FEEDS)}
    rebuilt = rebuild_raw(raw.lake, raw.warehouse, [], FEEDS)
    assert rebuilt.extracts == 4
    assert {table.name: raw.count(table.name) for table in feed_tables(FEEDS)} == before
    assert (raw.orders(), raw.orders(until=early)) == (raw.expected(), first)
    assert raw.extract() == {}


def test_money_ids_and_times_keep_every_digit(raw: Raw) -> None:
    order_id = BIG // 1000
    raw.store.load(
        [Order(order_id, prices=("0.1234",), item_ids=(BIG,), columns={"customer_id": 2**53 + 1, "test": True})]
    )
    raw.extract()
    [order] = raw.warehouse.query("select * from mdp_raw.raw_shop__orders").to_pylist()
    assert (order["order_id"], order["customer_id"], order["total_price"]) == (order_id, 2**53 + 1, "0.1234")
    assert (order["test"], order["deleted_at"], order["shop_id"]) == (True, None, raw.store.shop.shop_id)
    assert (order["source"], order["account_id"]) == ("shop", raw.store.shop.domain)
    [sale] = raw.warehouse.query("select happened_at, tax from mdp_raw.raw_shop__order_sales").to_pylist()
    assert (sale["happened_at"], sale["tax"]) == (datetime(2026, 10, 31), "1.0000")


def test_a_run_that_was_overtaken_commits_nothing(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.store.load([Order(1)])
    commit = feeds._commit

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(feeds, "_commit", commit)
        raw.extract()
        commit(*arguments)

    monkeypatch.setattr(feeds, "_commit", overtaken)
    with pytest.raises(FeedError, match=r"another run has moved the ledger to \d+ meanwhile; .* → run again"):
        raw.extract()
    assert raw.count("raw_shop__orders") == 1


def test_a_run_that_dies_before_its_commit_loses_and_doubles_nothing(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.store.load([Order(1), Order(2)])
    with monkeypatch.context() as patch:
        patch.setattr(feeds, "_commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            raw.extract()
    raw.store.load([Order(1, 5, ("3.00",))])
    assert raw.extract()["orders"] == 2
    assert raw.orders() == raw.expected()
    rebuild_raw(raw.lake, raw.warehouse, [], FEEDS)  # the file of the dead run is in the lake too
    assert raw.count("raw_shop__orders") == 4
    assert raw.orders() == raw.expected()
    assert raw.extract() == {}


def test_a_rebuild_in_the_middle_of_a_run_doubles_nothing(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.store.load([Order(1)])
    commit = feeds._commit

    def rebuild_first(*arguments: Any) -> None:
        rebuild_raw(raw.lake, raw.warehouse, [], FEEDS)
        commit(*arguments)

    monkeypatch.setattr(feeds, "_commit", rebuild_first)
    raw.extract()
    assert raw.count("raw_shop__orders") == 1


def test_changes_in_a_file_that_was_lost_are_extracted_again(raw: Raw) -> None:
    raw.store.load([Order(1), Order(2)])
    raw.extract(ORDERS)
    first = raw.cursor()
    raw.store.load([Order(3)])
    raw.extract(ORDERS)
    lost = {path for path in raw.lake.files("shop/orders") if f"_{first}_" in path}
    raw.store.load([Order(4), Order(1, 9, ("7.00",))])
    raw.extract(ORDERS)
    lost = {path for path in lost if path.endswith(".parquet")}
    for path in lost:
        Path(raw.lake.uri, path).unlink()
    rebuild_raw(raw.lake, raw.warehouse, [], FEEDS)
    assert set(raw.orders()) == {1, 2, 4}
    assert raw.cursor() == first
    assert raw.extract(ORDERS) == {"orders": 3}
    assert raw.orders() == raw.expected()
    assert raw.extract(ORDERS) == {}


def test_a_sync_in_the_middle_of_an_extract_separates_no_order_from_its_items(raw: Raw) -> None:
    raw.store.load([Order(1, prices=("1.00", "2.00"))])
    plain = raw.source

    class Interrupted(StoreSnapshot):
        def changes(self, feed: FeedReport, part: Report, *rest: Any) -> Iterator[pa.RecordBatch]:
            yield from super().changes(feed, part, *rest)
            if part.name == "order_items":
                raw.store.load([Order(1, 5, ("9.00",))])

    class Source:
        @contextmanager
        def snapshot(self) -> Iterator[Snapshot]:
            with plain.snapshot() as opened:
                opened.__class__ = Interrupted
                yield opened

    raw.source = Source()
    raw.extract()
    assert raw.orders()[1][0] == ["(100,1,Chair)", "(101,2,Chair)"]
    raw.source = plain
    raw.extract()
    assert raw.orders() == raw.expected()


def test_a_store_that_was_lost_and_filled_again_is_extracted_again(raw: Raw) -> None:
    """Its numbers are higher than those that raw has."""
    raw.store.load([Order(1), Order(2)])
    raw.extract()
    for table in ("orders", "order_items", "order_sales", "shops", "syncs"):
        raw.store.query(f"delete from shop.{table} where shop_id = $shop returning 1")
    raw.store.load([Order(1), Order(2, 5, ("4.00",))])
    assert raw.extract()["orders"] == 2
    assert raw.orders() == raw.expected()


def test_a_store_that_can_not_be_read_has_a_message_with_the_remedy(raw: Raw) -> None:
    raw.source = StoreChanges(read_address("postgresql://mdp:hush@127.0.0.1:1/shops"))
    with pytest.raises(StoreError, match=r"PostgreSQL at 127.0.0.1:1/shops: .*→ start PostgreSQL"):
        raw.extract()


versions = st.tuples(st.integers(1, 3), st.integers(0, 5), st.sampled_from(["1.00", "2.50"]))


@fuzzed(6)
@given(st.lists(st.lists(versions, unique_by=lambda version: version[0]) | st.just(None), min_size=1, max_size=6))
def test_raw_equals_the_store_after_any_syncs_and_extracts(
    postgres_server: RunningServer, tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    """A step is a sync with these versions of orders, or an extract."""
    store = TestStore(read_address(postgres_server.url), new_shop())
    raw = on_duckdb(store, tmp_path_factory.mktemp("feeds"))
    for step in [*steps, None]:
        if step is None:
            raw.extract(ORDERS)
            assert raw.orders() == raw.expected()
        else:
            store.load([Order(order, minute, (price,)) for order, minute, price in step])
