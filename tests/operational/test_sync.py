"""A sync of a shop is one commit: new versions, rejects and the watermark."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from mdp_dagster.connectors.shop_documents import (
    CustomerRow,
    ItemRow,
    OrderRow,
    ProductRow,
    RejectedRow,
    SaleRow,
    ShopRow,
    ShopWindow,
    VariantRow,
)
from mdp_dagster.operational.shop_store import TooManyRejectsError

from .shop_rows import DAY, START, Order, TestStore, rows_of

TWENTY = [Order(n) for n in range(101, 121)]


def test_the_same_file_twice_changes_nothing(store: TestStore) -> None:
    orders = [Order(n, prices=("10.00", "2.50")) for n in range(1, 60)]
    first = store.load(rows_of(orders, random.Random(1)))
    versions, content = store.versions(), store.orders()
    again = store.load(rows_of(orders, random.Random(2)))
    assert (first.new, first.changed, again.new, again.changed) == (59, 0, 0, 0)
    assert len(set(versions.values())) == 59
    assert (store.versions(), store.orders()) == (versions, content)
    assert content[1][0] == ["(100,10,Chair)", "(101,2.5,Chair)"]


def test_files_that_were_just_committed_are_not_read_again(store: TestStore) -> None:
    def unread() -> Iterator[list[ShopRow]]:
        raise AssertionError("the files were read")
        yield []

    rows = rows_of(TWENTY)
    store.load(rows, content_digest="a")
    window = ShopWindow(START, START + 2 * DAY)
    result = store.sync(store.new_sync(content_digest="a", window=window), unread())
    assert (result.documents, result.new, result.changed, result.watermark) == (20, 0, 0, START + 2 * DAY)
    store.load([Order(101, 5, ("3.00",))], content_digest="b")
    assert store.load(rows, content_digest="a").changed == 0  # read again, and older
    assert store.orders()[101][1] == ["(10100,3)"]
    store.load([Order(101, 6, ("4.00",))], content_digest="c")
    store.mark_deleted(store.shop.shop_id, [101], "weekly", store.new_sync().read_at)
    assert store.load([Order(101, 6, ("4.00",))], content_digest="c").changed == 1  # it is there again


def test_an_older_file_after_a_newer_one_changes_nothing(store: TestStore) -> None:
    old, new = Order(1, 1, ("10.00", "5.00")), Order(1, 9, ("10.00",), {"cancel_reason": "CUSTOMER"})
    store.load([new])
    content = store.orders()
    result = store.load([old])
    assert (result.new, result.changed) == (0, 0)
    assert store.orders() == content
    assert store.counts()["order_items"] == 1


def test_only_real_changes_get_a_number(store: TestStore) -> None:
    store.load([Order(1), Order(2), Order(3)])
    before = store.versions()
    changed = store.load(
        [
            Order(1, 5, columns={"fulfillment_status": "FULFILLED"}),
            Order(2, 5, ("12.00",)),
            Order(3, 5, title="Stool"),
        ]
    )
    after = store.versions()
    assert changed.changed == 2
    assert after[1] == before[1]
    assert {after[2], after[3]} > {max(before.values())} or min(after[2], after[3]) > max(before.values())
    [kept] = store.query(
        "select fulfillment_status, updated_at from shop.orders where shop_id = $shop and order_id = 1"
    )
    assert kept == ("FULFILLED", START + timedelta(minutes=5))


def test_children_belong_to_the_parent_in_their_own_file(store: TestStore) -> None:
    """An order that changed while the files were made is in two of them."""
    result = store.load([Order(1, 1, ("10.00", "5.00")), Order(2)], [Order(1, 7, ("10.00", "6.00", "1.00"))])
    assert (result.documents, result.rejected) == (2, 0)
    assert store.orders()[1][1] == ["(100,10)", "(101,6)", "(102,1)"]
    store.load([Order(1, 8, ("9.00",))], [Order(1, 7, ("10.00", "6.00", "1.00"))])
    assert store.orders()[1][1] == ["(100,9)"]


def test_a_line_that_is_twice_in_a_file_counts_once(store: TestStore) -> None:
    rows = rows_of([*TWENTY, Order(1, prices=("10.00", "5.00"))])
    assert store.load(rows + rows).rejected == 0
    assert store.counts()["order_sales"] == 22


def test_an_item_that_moved_is_in_one_order(store: TestStore) -> None:
    store.load([Order(1, prices=("10.00", "5.00"), item_ids=(11, 12)), Order(2, item_ids=(21,))])
    before = store.versions()
    store.load([Order(2, 5, ("10.00", "5.00"), item_ids=(21, 12))])  # the other order comes later, or never
    assert [row[0] for row in store.orders().values()] == [["(11,10,Chair)"], ["(12,5,Chair)", "(21,10,Chair)"]]
    assert min(store.versions().values()) > max(before.values())  # both have a new version
    store.load([Order(1, 6, ("10.00",), item_ids=(11,))])
    assert store.counts()["order_items"] == 3
    result = store.load(  # both in one sync, read before and after the move
        [Order(1, 7, ("10.00", "3.00"), item_ids=(11, 13))], [Order(2, 8, ("5.00", "3.00"), item_ids=(12, 13))]
    )
    assert result.rejected == 0
    assert [row[0] for row in store.orders().values()] == [["(11,10,Chair)"], ["(12,5,Chair)", "(13,3,Chair)"]]


def test_texts_and_ids_at_the_edges_are_kept(store: TestStore) -> None:
    big = 2**63 - 1
    rows = Order(1, item_ids=(big,), title="a\x00b\ud800\\N\t\"';--\n\r…").rows()
    store.load([*rows, *rows_of(TWENTY)])
    [(title, item)] = store.query(
        "select title, line_item_id from shop.order_items where shop_id = $shop and order_id = 1"
    )
    assert (title, item) == ("a�b�\\N\t\"';--\n\r…", big)


def wrong_sum() -> list[ShopRow]:
    return Order(1, columns={"original_total_price": "10.06"}).rows()


def no_sales() -> list[ShopRow]:
    return [row for row in Order(1).rows() if not isinstance(row, SaleRow)]


def two_contents() -> list[ShopRow]:
    return [*Order(1).rows(), *Order(1, columns={"cancel_reason": "FRAUD"}).rows()]


def two_contents_of_an_item() -> list[ShopRow]:
    rows = Order(1).rows()
    return [*rows, *(row._replace(title="Other") for row in rows if isinstance(row, ItemRow))]


def no_parent() -> list[ShopRow]:
    return [row for row in Order(1).rows() if not isinstance(row, OrderRow)]


def rejected_sale() -> list[ShopRow]:
    rows = [row for row in Order(1).rows() if not isinstance(row, SaleRow)]
    return [*rows, RejectedRow("order_sales", "7", None, 100, "amount is unreadable", "{}")]


def rejected_order() -> list[ShopRow]:
    rows = [row for row in Order(1).rows() if not isinstance(row, OrderRow)]
    return [*rows, RejectedRow("orders", "1", 1, None, "updatedAt is missing", "{}")]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (wrong_sum, "the sales of the order itself are not its original total"),
        (no_sales, "no sales of the order itself, but an original total"),
        (two_contents, "two contents with the same updated_at"),
        (two_contents_of_an_item, "two contents in one version"),
        (no_parent, "1 rows without their order"),
        (rejected_sale, "amount is unreadable"),
        (rejected_order, "updatedAt is missing"),
    ],
)
def test_a_rejected_order_has_a_reason_and_keeps_its_earlier_version(store: TestStore, rows, reason: str) -> None:  # type: ignore[no-untyped-def]
    store.load([Order(1, -5, ("8.00",)), *TWENTY])
    content = store.orders()
    result = store.load([*rows(), *rows_of(TWENTY)])
    assert (result.documents, result.rejected, result.new, result.changed) == (21, 1, 0, 0)
    assert {order for order, _ in store.reasons()} == {1}
    assert reason in [reason for _, reason in store.reasons()]
    assert store.orders() == content


def test_five_percent_may_be_rejected_and_not_one_more(store: TestStore) -> None:
    bad = [replace(order, columns={"original_total_price": "1.00"}) for order in TWENTY]
    assert store.load([*bad[:1], *TWENTY[1:]]).rejected == 1
    before = store.counts()
    with pytest.raises(TooManyRejectsError, match=r"2 of 20 rejected: the sales .* \(2 rows\).*→") as refused:
        store.load([*bad[:2], *(replace(order, prices=("3.00",), minute=9) for order in TWENTY[2:])], sync_id="night")
    assert (refused.value.share.rejected, refused.value.share.documents) == (2, 20)
    after = store.counts()
    assert (after["orders"], after["order_items"]) == (before["orders"], before["order_items"])
    assert store.orders()[105][1] == ["(10500,10)"]
    assert store.query("select status, rejected from shop.syncs where sync_id = 'night'") == [("refused", 2)]
    assert after["rejects"] == before["rejects"] + 2


def test_the_watermark_is_the_end_of_the_window_and_never_passes_a_gap(store: TestStore) -> None:
    shop = store.shop.shop_id
    assert store.watermark(shop, "orders") is None
    store.load([], window=ShopWindow(START, START + DAY))
    assert store.watermark(shop, "orders") == START + DAY
    assert store.watermark(shop, "products") is None
    store.load([Order(1)], window=ShopWindow(START + 2 * DAY, START + 3 * DAY))
    assert store.watermark(shop, "orders") == START + DAY
    store.load([], window=ShopWindow(START + DAY / 2, START + 3 * DAY))
    store.load([], window=ShopWindow(START, START + DAY))
    assert store.watermark(shop, "orders") == START + 3 * DAY
    bad = [Order(n, columns={"original_total_price": "1"}) for n in range(9)]
    with pytest.raises(TooManyRejectsError):
        store.load(bad, window=ShopWindow(START + 3 * DAY, START + 4 * DAY))
    assert store.watermark(shop, "orders") == START + 3 * DAY


def test_a_repeated_sync_has_one_row_and_its_rejects_once(store: TestStore) -> None:
    sync = store.new_sync()
    rows = rows_of([*TWENTY, Order(1, columns={"original_total_price": "1"})])
    for _ in range(2):
        store.sync(sync, [rows])
    assert (store.counts()["syncs"], store.counts()["rejects"]) == (1, 1)


def test_a_deleted_order_has_a_last_version_and_can_come_back(store: TestStore) -> None:
    first = store.new_sync()
    store.sync(first, [rows_of([Order(1), Order(2)])])
    day, shop, before = (START - DAY).date(), store.shop.shop_id, store.versions()
    assert store.order_counts(shop, [day, START.date()]) == {day: 2, START.date(): 0}
    assert store.order_ids(shop, day) == {1, 2}
    missed_at = store.new_sync().read_at
    assert store.mark_deleted(shop, {1, 77}, "weekly", missed_at) == 1
    assert store.mark_deleted(shop, {1}, "weekly", missed_at) == 0
    assert (store.order_ids(shop, day), store.counts()["order_items"]) == ({2}, 1)
    assert store.versions()[1] > max(before.values())
    store.sync(replace(first, sync_id="the old file again"), [rows_of([Order(1), Order(2)])])
    assert set(store.orders()) == {2}
    store.load([Order(1), Order(2)])
    assert set(store.orders()) == {1, 2}


def test_a_shop_with_another_zone_has_a_new_version_of_its_facts(store: TestStore) -> None:
    def facts() -> list[tuple[str, int]]:
        return store.query("select time_zone, change_seq from shop.shops where shop_id = $shop")

    early = store.new_sync()
    store.load([])
    [(zone, number)] = facts()
    store.load([])
    assert facts() == [(zone, number)]
    store.of_shop(time_zone="America/New_York").load([])
    [(other_zone, later)] = facts()
    assert (zone, other_zone) == ("Europe/Paris", "America/New_York") and later > number
    store.sync(early, [])
    assert facts() == [(other_zone, later)]


def test_products_and_customers_have_versions_too(store: TestStore) -> None:
    at = START.isoformat()
    products = [ProductRow(n, "Chair", "V", "T", "ACTIVE", at, at) for n in range(1, 40)]
    variants = [VariantRow(n * 10, n, "Oak", "S", "10.00", at) for n in range(1, 40)]
    assert store.load([*variants, *products], report="products").new == 39
    dearer = [*variants[:-1], variants[-1]._replace(price="11.00")]
    assert store.load([*products, *dearer], report="products").changed == 1
    bad = [*products, *variants, RejectedRow("variants", "", 7, None, "id is missing", "{}")]
    assert store.load(bad, report="products").rejected == 1
    customers = [CustomerRow(n, "FR", at, at) for n in range(1, 9)]
    assert store.load(customers, report="customers").new == 8
    later = (START + DAY).isoformat()
    moved = [customer._replace(country=None, updated_at=later) for customer in customers[:1]]
    assert store.load(moved, report="customers").changed == 1
    assert store.counts()["variants"] == 39
