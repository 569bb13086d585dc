"""The data of the shops: it follows from seed and instant, is coherent, and has every case that is hard to count."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.shopify.documents import order_document
from sandbox.shopify.edits import Edits
from sandbox.shopify.facts import OrderState
from sandbox.shopify.filters import Search
from sandbox.shopify.shop_world import ShopWorld
from sandbox.shopify.shops import HARBORLINE, NORDLICHT, SHOPS
from sandbox.shopify.truth import Truth
from tests.support.sandbox_clients import NOW

OPENED = date(2026, 9, 6)
MEASURES = ("ca_brut", "remises", "retours", "livraison", "taxes", "unites")
FIRST = datetime(2026, 9, 6, tzinfo=timezone.utc)


@lru_cache
def _world_of(domain: str, now: datetime, seed: int) -> ShopWorld:
    shop = next(shop for shop in SHOPS if shop.domain == domain)
    return ShopWorld(shop.resized(None, OPENED), seed, lambda: now)


def _world(shop: Any = NORDLICHT, now: datetime = NOW, seed: int = 7) -> ShopWorld:
    return _world_of(shop.domain, now, seed)


def _states(world: ShopWorld, since: datetime = FIRST) -> list[OrderState]:
    search = Search()
    search.created_at.start = int(since.timestamp())
    return list(world.states(search))


def test_the_same_seed_and_instant_give_the_same_orders() -> None:
    documents = [
        [order_document(state) for state in _states(world)]
        for world in (_world(), ShopWorld(_world().shop, 7, lambda: NOW))
    ]
    assert documents[0] == documents[1] and len(documents[0]) > 1000
    assert [order_document(state) for state in _states(_world(seed=8))] != documents[0]


def test_a_later_instant_adds_events_and_changes_none() -> None:
    before = {state.order.id: order_document(state) for state in _states(_world())}
    after = {state.order.id: order_document(state) for state in _states(_world(now=NOW + timedelta(days=20)))}
    changed = deleted = 0
    for id_, document in before.items():
        later = after.get(id_)
        if later is None:
            deleted += 1
            continue
        past = document["agreements"]
        assert later["agreements"][: len(past)] == past
        assert later["updatedAt"] >= document["updatedAt"]
        changed += later["updatedAt"] > document["updatedAt"]
        assert later["updatedAt"] > document["updatedAt"] or later == document
    assert changed > 100 and deleted > 0
    assert len(after) > len(before) + 500


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.client_id)
def test_the_money_of_every_order_adds_up(shop: Any) -> None:
    for state in _states(_world(shop)):
        document = order_document(state)
        for agreement in document["agreements"]:
            assert agreement["happenedAt"] <= document["updatedAt"]
        placed = [s for a in document["agreements"] if a["reason"] == "ORDER" for s in a["sales"]]
        assert _sum(placed) == _amount(document["originalTotalPriceSet"])
        every = [s for a in document["agreements"] for s in a["sales"]]
        assert _sum(every) == _amount(document["currentTotalPriceSet"]) >= 0
        assert all((sale["quantity"] or 0) <= 0 for sale in every if sale["actionType"] == "RETURN")
        for item in document["lineItems"]:
            assert 0 <= item["currentQuantity"] <= item["quantity"]
            units = [s["quantity"] for s in every if s.get("lineItem", {}).get("id") == item["id"]]
            assert sum(units) == item["currentQuantity"]


def test_there_is_every_case_that_is_hard_to_count() -> None:
    found: Counter[str] = Counter()
    orders: Counter[int] = Counter()
    for shop in SHOPS:
        for state in _states(_world(shop)):
            order = state.order
            orders[state.customer_id or 0] += 1
            found.update(f"{event.reason}/{c.line_type}/{c.action}" for event in state.events for c in event.charges)
            cases = {
                "test": order.test, "guest": state.customer_id is None, "cancelled": state.cancelled_at is not None,
                "import": order.processed_at < order.created_at, "no place": order.ship is order.bill is None,
                "only billing": order.ship is None and order.bill is not None, "redacted": state.redacted,
                "merged": state.customer_id not in (order.customer_id, None), "custom item": any(
                    line.kind == "custom" for line in state.lines), "code": bool(order.discount_codes),
                "presentment": order.presentment is not None, "pending": not state.paid,
            }  # fmt: skip
            found.update(case for case, there in cases.items() if there)
    assert set(found) >= {
        "ORDER/PRODUCT/ORDER", "ORDER/GIFT_CARD/ORDER", "ORDER/TIP/ORDER", "ORDER/SHIPPING/ORDER", "ORDER/DUTY/ORDER",
        "ORDER/ADDITIONAL_FEE/ORDER", "ORDER_EDIT/PRODUCT/ORDER", "ORDER_EDIT/PRODUCT/RETURN",
        "ORDER_EDIT/PRODUCT/UPDATE", "REFUND/PRODUCT/RETURN", "REFUND/SHIPPING/RETURN", "REFUND/ADJUSTMENT/ORDER",
        "RETURN/PRODUCT/RETURN", "test", "guest", "cancelled", "import", "no place", "only billing", "redacted",
        "merged", "custom item", "code", "presentment", "pending",
    }  # fmt: skip
    assert max(count for customer, count in orders.items() if customer) >= 4
    assert {NORDLICHT.currency, HARBORLINE.currency} == {"EUR", "USD"}
    assert NORDLICHT.time_zone != HARBORLINE.time_zone and HARBORLINE.first_id > 2**53


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.client_id)
def test_the_truth_agrees_with_what_the_api_shows(shop: Any) -> None:
    world = _world(shop)
    sums = _measures(world)
    truth = Truth(world)
    rows = truth.shop_daily(date(2026, 10, 1), date(2026, 11, 20))
    assert len(rows) == 50
    for row in rows:
        for name in MEASURES:
            assert row[name] == sums[row["jour"], row["devise"]][name], (row["jour"], name)
    for table in (truth.product_daily, truth.geo_daily):
        parts = defaultdict[date, Decimal](Decimal)
        for row in table(date(2026, 10, 1), date(2026, 11, 20)):
            parts[row["jour"]] += row["ca_net"]
        assert parts == {row["jour"]: row["ca_net"] for row in rows}
    cohorts = truth.cohorts()
    known = sum((row["ca_net"] for row in cohorts), Decimal(0))
    every = sum((row["ca_net"] for row in truth.shop_daily(date.min, date.max)), Decimal(0))
    assert 0 < known < every
    assert all(row["clients_actifs"] <= row["clients_cohorte"] for row in cohorts)
    premium = truth.premium_products()
    assert 3 <= len(premium) <= 6 and all(row["prix_moyen"] >= row["seuil_prix"] for row in premium)


changes = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "refund",
                "refund one",
                "remove",
                "add",
                "discount",
                "cancel",
                "delete",
                "forget",
                "merge",
                "order",
                "wait",
            ]
        ),
        st.integers(0, 10**6),
    ),
    max_size=8,
)


@given(
    made=changes, zone=st.sampled_from(["Europe/Berlin", "Pacific/Auckland"]), currency=st.sampled_from(["EUR", "CHF"])
)
@settings(max_examples=40, deadline=None)
def test_after_any_changes_by_hand_the_truth_agrees_with_the_api(
    made: list[tuple[str, int]], zone: str, currency: str
) -> None:
    clock = [NOW - timedelta(days=4)]
    world = ShopWorld(NORDLICHT.resized(4, date(2026, 11, 12)), 7, lambda: clock[0])
    edits = Edits(world)
    edits.change_currency(currency, at=NOW - timedelta(days=3))
    edits.change_time_zone(zone)
    for change, number in made:
        states = [state for state in world.states(Search()) if not state.cancelled_at]
        state = states[number % len(states)]
        order, line = state.order, state.lines[0]
        match change:
            case "refund":
                edits.refund(order.id, shipping=bool(number % 2), adjustment=number % 3 * 100)
            case "refund one":
                edits.refund(order.id, {line.id: 1}, reason="RETURN")
            case "remove":
                edits.remove_items(order.id, {line.id: 1 + number % 3})
            case "add":
                edits.add_item(order.id, world.shop.products[number % 9].variants[0].id, 1 + number % 2)
            case "discount":
                if line.kind == "product" and line.unit_price > 2000 and not state.returned(line):
                    edits.discount(order.id, line.id, 300)
            case "cancel":
                edits.cancel(order.id)
            case "delete":
                edits.delete(order.id)
            case "forget":
                edits.redact_customer(state.customer_id or 1)
            case "merge":
                edits.merge_customers(state.customer_id or 1, states[0].customer_id or 2)
            case "order":
                item = world.shop.products[number % 9].variants[0].id, 1 + number % 3
                edits.add_order([item], customer_id=number % 5 + 1, country="FR", discount_percent=number % 30)
            case "wait":
                clock[0] += timedelta(hours=number % 40)
    sums, rows = _measures(world), Truth(world).shop_daily(date.min, date.max)
    assert {(row["jour"], row["devise"]) for row in rows} >= {key for key, found in sums.items() if any(found.values())}
    for row in rows:
        assert {name: row[name] for name in MEASURES} == {
            name: sums[row["jour"], row["devise"]][name] for name in MEASURES
        }
    for state in world.states(Search()):
        assert all(0 <= state.returned(line) <= line.quantity for line in state.lines)
        assert Decimal(order_document(state)["currentTotalPriceSet"]["shopMoney"]["amount"]) >= 0


def test_a_customer_that_is_merged_or_forgotten_is_not_listed() -> None:
    world = _world()
    listed = {customer.id for customer in world.customers()}
    seen = {s.customer_id for s in _states(world) if s.customer_id is not None}
    assert seen <= listed
    gone = {s.order.customer_id for s in _states(world) if s.customer_id != s.order.customer_id}
    assert gone and not gone & listed
    since = int((NOW - timedelta(days=3)).timestamp())
    assert {c.id: c.updated_at for c in world.customers(since)} == {
        c.id: c.updated_at for c in world.customers() if c.updated_at >= since
    }


def test_the_last_minutes_of_an_hour_are_quiet() -> None:
    """So a sync at a full hour, which leaves out the last minutes, misses nothing."""
    instants = {state.order.created_at for state in _states(_world())} | {s.updated_at for s in _states(_world())}
    assert len(instants) > 1000 and all(at % 3600 < 54 * 60 for at in instants)


def test_an_order_counts_until_its_deletion_is_noticed() -> None:
    world = ShopWorld(NORDLICHT.resized(3, date(2026, 11, 10)), 7, lambda: NOW)
    before = Truth(world).shop_daily(date.min, date.max)
    deleted = next(state.order.id for state in world.states(Search()) if not state.order.test)
    Edits(world).delete(deleted)
    assert Truth(world).shop_daily(date.min, date.max) != before
    assert Truth(world, deletions_until=NOW).shop_daily(date.min, date.max) == before
    assert Truth(world, deletions_until=NOW + timedelta(seconds=1)).shop_daily(date.min, date.max) != before


def test_a_customer_that_is_merged_by_hand_leaves_the_list() -> None:
    world = ShopWorld(NORDLICHT.resized(3, date(2026, 11, 10)), 7, lambda: NOW)
    first, second = (customer.id for customer in world.customers()[:2])
    changed = Edits(world).merge_customers(first, second)
    listed = {customer.id: customer for customer in world.customers()}
    assert changed and first not in listed
    assert listed[second].updated_at == world.now
    Edits(world).redact_customer(second)
    assert second not in {customer.id for customer in world.customers()}
    assert {s.customer_id for s in world.states(Search()) if s.order.id in changed} == {None}


def test_a_large_shop_has_as_many_orders_as_wanted() -> None:
    world = _world(NORDLICHT.resized(2_000, date(2026, 11, 19)))
    search = Search()
    assert 1_500 < sum(1 for _ in world.states(search)) < 6_000


def _amount(money: dict[str, Any]) -> Decimal:
    return Decimal(money["shopMoney"]["amount"])


def _sum(sales: list[dict[str, Any]]) -> Decimal:
    return sum((_amount(sale["totalAmount"]) for sale in sales), Decimal(0))


def _measures(world: ShopWorld) -> dict[tuple[date, str], Counter[str]]:
    """Shopify's measures by day and currency, computed from the documents by the definitions of Shopify."""
    zone, sums = world.zone, defaultdict[tuple[date, str], Counter[str]](Counter)
    for state in world.states(Search()):
        document = order_document(state)
        if document["test"]:
            continue
        for agreement in document["agreements"]:
            day = datetime.fromisoformat(agreement["happenedAt"].replace("Z", "+00:00")).astimezone(zone).date()
            for sale in agreement["sales"]:
                net = _amount(sale["totalAmount"]) - _amount(sale["totalTaxAmount"])
                discount = _amount(sale["totalDiscountAmountBeforeTaxes"])
                sums[day, document["currencyCode"]]["taxes"] += _amount(sale["totalTaxAmount"])  # type: ignore[assignment]
                if sale["lineType"] == "SHIPPING":
                    sums[day, document["currencyCode"]]["livraison"] += net  # type: ignore[assignment]
                elif sale["lineType"] == "PRODUCT" and sale["actionType"] == "RETURN":
                    sums[day, document["currencyCode"]]["retours"] -= net  # type: ignore[assignment]
                elif sale["lineType"] == "PRODUCT":
                    sums[day, document["currencyCode"]]["ca_brut"] += net + discount  # type: ignore[assignment]
                    sums[day, document["currencyCode"]]["remises"] += discount  # type: ignore[assignment]
                    sums[day, document["currencyCode"]]["unites"] += sale["quantity"] or 0
    return sums
