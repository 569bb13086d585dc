"""Any files in any order, with repeats: the store has the newest version of each order, whole."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.operational.postgres_errors import Address
from tests.support.effort import fuzzed

from .conftest import new_shop
from .shop_rows import Order, TestStore, rows_of

prices = st.lists(st.sampled_from(["10.00", "5.00", "0.01", "7.5"]), min_size=1, max_size=3).map(tuple)
contents = st.tuples(prices, st.sampled_from(["CUSTOMER", None]), st.sampled_from(["Chair", "Stool"]))
# The versions of each order, oldest first: the minute is a version's place.
histories = st.lists(st.lists(contents, min_size=1, max_size=4), min_size=1, max_size=4)


def versions_of(history: list[list[tuple[tuple[str, ...], str | None, str]]]) -> list[list[Order]]:
    return [
        [
            Order(number, minute, found, {"cancel_reason": reason}, title=title)
            for minute, (found, reason, title) in enumerate(versions)
        ]
        for number, versions in enumerate(history, 1)
    ]


@fuzzed(20)
@given(histories, st.data(), st.randoms(use_true_random=False))
def test_the_store_has_the_newest_version_of_every_order(
    address: Address, history: list, data: st.DataObject, chance: random.Random
) -> None:
    store, by_order = TestStore(address, new_shop()), versions_of(history)
    all_ = [version for versions in by_order for version in versions]
    # A file has each order at most once. A sync has one or two files.
    syncs = data.draw(
        st.lists(
            st.lists(st.lists(st.sampled_from(all_), unique_by=lambda order: order.order_id), min_size=1, max_size=2),
            min_size=1,
            max_size=5,
        )
    )
    newest: dict[int, Order] = {}
    numbers: dict[int, int] = {}
    for files in syncs:
        before = dict(newest)
        for order in (order for file in files for order in file):
            if order.order_id not in newest or order.minute > newest[order.order_id].minute:
                newest[order.order_id] = order
        result = store.load(*(rows_of(file, chance) for file in files))
        assert result.rejected == 0
        found = store.versions()
        for order_id, order in newest.items():
            same = order_id in before and content(before[order_id]) == content(order)
            assert (found[order_id] == numbers.get(order_id)) == same, "a new number exactly for new content"
            assert same or found[order_id] > max(numbers.values(), default=0)
        numbers = found
    assert {order_id: tuple(row) for order_id, row in store.orders().items()} == {
        order_id: content(order) for order_id, order in newest.items()
    }


def content(order: Order) -> tuple:
    """The order's content as ``TestStore.orders`` returns it."""
    expected = sorted(zip(order.items(), order.prices, strict=True))
    return (
        [f"({item},{float(price):g},{order.title})" for item, price in expected],
        [f"({order.order_id * 100 + n},{float(price):g})" for n, price in enumerate(order.prices)],
        sum(map(Decimal, order.prices)),
        order.columns["cancel_reason"],
    )
