"""Several processes that sync, one of them killed: nothing is lost, doubled or half there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import psycopg

from mdp_dagster.connectors.shop_documents import ShopFacts, ShopRow
from mdp_dagster.operational.postgres_errors import Address
from tests.support.limits import HANG_SECONDS
from tests.support.processes import answer, process

from .shop_rows import Order, TestStore, rows_of

OLD = [Order(n, 1, ("10.00", "5.00")) for n in range(1, 400)]
NEW = [Order(n, 2, ("6.00",)) for n in range(1, 400)]


def sync(address: Address, shop: ShopFacts, orders: list[Order], pipe: Connection) -> None:
    """Syncs after a signal. Reports that the lock is held, and then the result."""
    store = TestStore(address, shop)

    def rows() -> Iterator[list[ShopRow]]:
        pipe.send("holds the lock")
        yield rows_of(orders)

    pipe.recv()
    result = store.sync(store.new_sync(), rows())
    pipe.send((result.new, result.changed))


def test_a_sync_that_is_killed_at_any_moment_changes_nothing_or_all(store: TestStore) -> None:
    store.load(OLD)
    before = store.orders()
    for seconds in (0, 0.01, 0.03, 0.06):
        with process(sync, store.address, store.shop, NEW) as (started, pipe):
            pipe.send("go")
            assert answer(pipe) == "holds the lock"
            time.sleep(seconds)
            started.kill()
            started.join(HANG_SECONDS)
        wait_until_idle(store)
        found = store.orders()
        assert found == before or {len(row[0]) for row in found.values()} == {1}
        assert len(found) == len(OLD)
    store.load(NEW)
    assert {len(row[0]) for row in store.orders().values()} == {1}
    assert store.counts()["order_sales"] == len(NEW)


def test_two_syncs_of_a_shop_take_turns(store: TestStore) -> None:
    store.prepare()
    with (
        process(sync, store.address, store.shop, NEW) as (_, first),
        process(sync, store.address, store.shop, OLD) as (_, second),
    ):
        first.send("go")
        assert answer(first) == "holds the lock"
        second.send("go")
        assert answer(first) == (len(NEW), 0)
        assert answer(second) == "holds the lock"
        assert answer(second) == (0, 0)  # its file is older
    assert {len(row[0]) for row in store.orders().values()} == {1}


def wait_until_idle(store: TestStore) -> None:
    """The server notices a dead client when it writes to it."""
    deadline = time.monotonic() + HANG_SECONDS
    with psycopg.connect(store.address.url, autocommit=True) as connection:
        while connection.execute(
            "select 1 from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"
        ).fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.02)
