"""The sandbox's shop through the connector into the lake and the store, and from the lake into a new store."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from mdp_dagster.connectors.answer_landing import Landing
from mdp_dagster.connectors.errors import TransientError
from mdp_dagster.connectors.shop_documents import LandedFile, ShopFacts, ShopReport, ShopWindow
from mdp_dagster.connectors.shopify.source import SOURCE
from mdp_dagster.ingest import shop_sync
from mdp_dagster.ingest.shop_sync import ShopStores, find_deleted_orders, replay, sync_shop
from mdp_dagster.lake import Lake, LakeError
from mdp_dagster.operational.embedded_server import RunningServer
from mdp_dagster.operational.postgres_errors import read_address
from mdp_dagster.operational.shop_store import ShopStore, SyncResult
from sandbox import Sandbox
from sandbox.shopify.edits import Edits
from tests.support.sandbox_clients import NOW, _as_new, sandbox  # noqa: F401

pytestmark = pytest.mark.slow

DOMAIN = "nordlicht-outdoor.myshopify.com"
START = date(2026, 11, 14)
DAYS = [START + timedelta(days=n) for n in range(6)]
NET_BY_DAY = """
    select (s.happened_at at time zone shop.time_zone)::date, sum(s.amount - s.tax)
    from shop.order_sales as s
    join shop.orders as o using (shop_id, order_id)
    join shop.shops as shop using (shop_id)
    where s.line_type = 'PRODUCT' and not o.test and o.deleted_at is null
    group by 1 having sum(s.amount - s.tax) <> 0
"""


@pytest.fixture
def new_store(postgres_server: RunningServer) -> ShopStore:
    """A store in a database of its own: the sandbox's shop has the same id in all tests."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("drop database if exists synced (force)")
        connection.execute("create database synced")
    return ShopStore(read_address(postgres_server.url.replace("/postgres", "/synced")))


@pytest.fixture
def places(new_store: ShopStore, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShopStores:  # noqa: F811
    for name, value in sandbox.env.items():
        if SOURCE.owns_variable(name):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("SHOPIFY_START_DATE", START.isoformat())
    assert SOURCE.shop is not None
    return ShopStores(SOURCE.name, SOURCE.shop, new_store, Lake(str(tmp_path / "lake")))


def sync_at(now: datetime, places: ShopStores, sync_id: str) -> dict[ShopReport, list[SyncResult]]:
    """A sync at an earlier time of the tests' day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shop_sync, "utc_now", lambda: now)
        return sync_shop(places, DOMAIN, sync_id)


def rows(store: ShopStore, sql: str) -> list[tuple]:
    with psycopg.connect(store.address.url) as connection:
        return connection.execute(sql).fetchall()


def documents(store: ShopStore) -> list[list[tuple]]:
    """Everything in the store, without the numbers of changes and syncs."""
    return [
        rows(store, "select order_id, updated_at, current_total_price, deleted_at is null from shop.orders order by 1"),
        rows(store, "select * from shop.order_items order by 1, 2"),
        rows(store, "select * from shop.order_sales order by 1, 2"),
        rows(store, "select product_id, title from shop.products order by 1"),
        rows(store, "select * from shop.variants order by 1, 2"),
        rows(store, "select customer_id, country from shop.customers order by 1"),
        rows(store, "select domain, time_zone, currency from shop.shops"),
        rows(store, "select report, max(watermark) from shop.syncs group by 1 order by 1"),
    ]


def test_the_store_equals_the_shop_and_a_lost_one_is_filled_from_the_lake(
    places: ShopStores,
    sandbox: Sandbox,  # noqa: F811
) -> None:
    control = sandbox.servers["shopify"].control  # type: ignore[attr-defined]
    edits: Edits = control.edits(DOMAIN)

    def truth() -> dict[date, Decimal]:
        days = control.truth(DOMAIN, f"{START}T00:00:00Z").shop_daily(date(2026, 1, 1), date(2026, 12, 31))
        return {row["jour"]: Decimal(row["ca_net"]) for row in days if row["ca_net"]}

    sandbox.world.now = NOW - timedelta(hours=1, minutes=2)  # a sync leaves the last two minutes to the next one
    first = sync_at(NOW - timedelta(hours=1), places, "night-1")
    assert sum(result.new for result in first["orders"]) == rows(places.store, "select count(*) from shop.orders")[0][0]
    assert dict(rows(places.store, NET_BY_DAY)) == truth()
    assert find_deleted_orders(places, DOMAIN, "week-1", DAYS[4:]) == []

    ids = [order_id for (order_id,) in rows(places.store, "select order_id from shop.orders where not test order by 1")]
    sandbox.world.now = NOW - timedelta(minutes=2)
    later = NOW - timedelta(minutes=30)
    edits.cancel(ids[-40], at=later)
    edits.touch(ids[-30], at=later)
    edits.delete(ids[-20], at=later)
    [(created, variant)] = rows(
        places.store,
        "select (o.created_at at time zone 'UTC')::date, v.variant_id from shop.orders o, shop.variants v "
        f"where o.order_id = {ids[-20]} limit 1",
    )
    edits.add_order([(variant, 2)], country="FR", at=later)
    second = sync_at(NOW, places, "night-2")
    assert all(sum(getattr(result, kind) for result in second["orders"]) for kind in ("new", "changed"))
    [difference] = find_deleted_orders(places, DOMAIN, "week-2", [created])
    assert (difference.stored - difference.at_shop, difference.deleted) == (1, 1)
    assert find_deleted_orders(places, DOMAIN, "week-3", [created]) == []
    # the shop's search has an order only after its window was read
    late = datetime(START.year, START.month, START.day + 2, 12, tzinfo=timezone.utc)
    edits.add_order([(variant, 3)], country="FR", at=late)
    [difference] = find_deleted_orders(places, DOMAIN, "week-4", [late.date()])
    assert (difference.at_shop - difference.stored, difference.found, difference.is_explained) == (1, 1, True)
    assert find_deleted_orders(places, DOMAIN, "week-5", [late.date()]) == []
    assert dict(rows(places.store, NET_BY_DAY)) == truth()

    before = documents(places.store)
    highest = rows(places.store, "select max(change_seq) from shop.orders")
    with psycopg.connect(places.store.address.url, autocommit=True) as connection:
        connection.execute("drop schema shop cascade")
    replayed = replay(places)
    assert (replayed.refused, replayed.lost) == (0, 0)
    assert documents(places.store) == before
    assert rows(places.store, "select min(change_seq) from shop.orders") > highest, "raw takes them for new versions"
    again = rows(places.store, "select order_id, change_seq from shop.orders order by 1")
    assert replay(places).syncs == replayed.syncs
    assert rows(places.store, "select order_id, change_seq from shop.orders order by 1") == again


def test_a_file_that_is_lost_leaves_the_watermark_before_its_gap(places: ShopStores, sandbox: Sandbox) -> None:  # noqa: F811
    sync_at(NOW - timedelta(hours=6), places, "night-1")
    [(shop_id, first_end)] = rows(
        places.store, "select shop_id, max(watermark) from shop.syncs where report = 'orders' group by 1"
    )
    sync_at(NOW - timedelta(hours=4), places, "night-2")
    sync_at(NOW - timedelta(hours=2), places, "night-3")
    for path in Path(places.lake.uri, "shopify/orders/night-2").glob("*.gz"):
        path.unlink()
    with psycopg.connect(places.store.address.url, autocommit=True) as connection:
        connection.execute("drop schema shop cascade")
    assert replay(places).lost == 1
    assert places.store.watermark(shop_id, "orders") == first_end
    sync_at(NOW, places, "night-4")
    assert places.store.watermark(shop_id, "orders") > first_end


def test_an_answer_that_breaks_off_commits_nothing_of_its_window(places: ShopStores) -> None:
    def open_broken(domain: str) -> Any:
        shop = places.access.open(domain)

        def land(report: ShopReport, window: ShopWindow, landing: Landing) -> list[LandedFile]:
            if report == "products":
                raise TransientError("the file broke off", "check the connection")
            return shop.land(report, window, landing)

        return SimpleNamespace(facts=shop.facts, windows=shop.windows, land=land)

    broken = replace(places, access=replace(places.access, open=open_broken))
    with pytest.raises(TransientError, match="the file broke off → check the connection"):
        sync_shop(broken, DOMAIN, "night-1")
    assert rows(places.store, "select report, status from shop.syncs order by 1") == [("orders", "committed")]
    assert rows(places.store, "select count(*) from shop.products") == [(0,)]


def test_a_night_that_crosses_the_end_of_a_month_is_one_commit(places: ShopStores) -> None:
    """A few orders of the new day alone could have more than 5 % rejects."""
    landed: list[ShopWindow] = []
    facts = ShopFacts(shop_id=5, domain=DOMAIN, name="Shop", time_zone="UTC", currency="EUR")
    edges = [datetime(2026, month, 1, tzinfo=timezone.utc) for month in (8, 9, 10, 11)]
    windows = [ShopWindow(*pair) for pair in zip(edges, [*edges[1:], edges[-1] + timedelta(hours=2)], strict=True)]

    def open_shop(_: str) -> Any:
        return SimpleNamespace(
            facts=lambda known_id=None: facts,
            windows=lambda report, watermark, now: windows if report == "orders" else [],
            land=lambda report, window, landing: landed.append(window) or [],
        )

    places = replace(places, access=replace(places.access, open=open_shop))
    assert len(sync_shop(places, DOMAIN, "first")["orders"]) == 3
    assert [window.start for window in landed] == [window.start for window in windows]
    assert [window.end for window in landed[:-1]] == [window.end for window in windows[:-1]]
    assert landed[-1].end > windows[-1].end, "an order that changes again while it is read must not be missing tonight"
    assert rows(places.store, "select window_from, window_to from shop.syncs order by 1") == [
        tuple(windows[0]),
        tuple(windows[1]),
        (windows[2].start, windows[3].end),
    ]


def test_a_replay_needs_a_lake_with_syncs(places: ShopStores, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"holds no sync → check MDP_LAKE_URI"):
        replay(replace(places, lake=Lake(str(tmp_path / "another"))))
