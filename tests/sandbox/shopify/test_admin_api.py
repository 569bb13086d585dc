"""The Admin API of the shops: tokens, versions, validation in Shopify's words, cost, filters and pages."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from graphql import GraphQLObjectType, build_schema

from sandbox.shopify import access
from sandbox.shopify.bulk_rules import bulk_document
from sandbox.shopify.filters import Search
from sandbox.shopify.query_cost import Bucket
from sandbox.shopify.trim_schema import PERSONAL, TARGET
from tests.sandbox.shopify.conftest import HARBORLINE, NORDLICHT, Shop, changed_since
from tests.support.limits import HANG_SECONDS
from tests.support.sandbox_clients import NOW

FACTS = "query Facts { shop { name myshopifyDomain } currentAppInstallation { accessScopes { handle } } }"
COUNT = "query Count($filter: String) { ordersCount(query: $filter, limit: null) { count precision } }"


def test_a_token_belongs_to_its_shop(shop: Shop, other_shop: Shop) -> None:
    answer = shop.new_token().json()
    assert answer["expires_in"] == 86_399 and "read_all_orders" in answer["scope"]
    assert shop.data(FACTS)["shop"]["myshopifyDomain"] == NORDLICHT
    other_shop.token = shop.token
    assert other_shop.send(FACTS).status_code == 401
    assert shop.new_token(client_secret="wrong").json()["error"] == "invalid_client"
    assert shop.new_token(grant_type="password").status_code == 400
    shop.domain = "unknown.myshopify.com"
    assert shop.new_token().status_code == 404


def test_versions_fall_forward(shop: Shop) -> None:
    served = {version: shop.send(FACTS, version) for version in ("2026-10", "2026-01", "2024-07", "2031-01", "v1")}
    assert [served[v].headers.get("X-Shopify-API-Version") for v in served] == [
        "2026-10", "2026-01", "2026-01", None, None,
    ]  # fmt: skip
    assert served["2031-01"].status_code == 404
    listed = shop.data("{ publicApiVersions { handle supported } }")["publicApiVersions"]
    assert [v["handle"] for v in listed if v["supported"]] == ["2026-01", "2026-04", "2026-07", "2026-10"]
    assert access.versions(date(2027, 1, 1))[-1] == "2027-01"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ orders(first: 1) { nodes { sourceNam } } }", "Field 'sourceNam' doesn't exist on type 'Order'"),
        ("{ orders(first: 1) { nodes { email } } }", "Field 'email' doesn't exist on type 'Order'"),
        ("{ shop(id: 1) { name } }", "Field 'shop' doesn't accept argument 'id'"),
        ("{ bulkOperation { id } }", "Field 'bulkOperation' is missing required arguments: id"),
        (
            "{ orders(first: 1, sortKey: UPDATED) { nodes { id } } }",
            "Argument has an invalid value (UPDATED). Expected type 'OrderSortKeys'.",
        ),
        ("{ shop }", "Field must have selections (field 'shop' returns Shop but has no selections. Did you mean 'shop"),
        ("{ orders { nodes { id } } }", "you must provide one of first or last"),
        ("{ orders(first: 251) { nodes { id } } }", "first must be between 1 and 250"),
    ],
)
def test_a_mistake_is_named_in_shopifys_words(shop: Shop, query: str, message: str) -> None:
    (error,) = shop.errors(query)
    assert error["message"].startswith(message) and error["extensions"]["code"]


def test_the_schema_has_no_personal_data() -> None:
    schema = build_schema(TARGET.read_text(), assume_valid=True)
    for name in ("Order", "Customer", "MailingAddress", "LineItem"):
        kind = schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType) and not PERSONAL & set(kind.fields)
    assert '"""' not in TARGET.read_text()
    assert "Shopify Inc." in Path(TARGET).with_name("LICENSE.shopify").read_text()


def test_every_answer_has_its_cost_and_the_bucket_refills(shop: Shop) -> None:
    cost = shop.send(FACTS).json()["extensions"]["cost"]
    assert cost["requestedQueryCost"] == 3 and cost["throttleStatus"]["maximumAvailable"] == 2000
    (error,) = shop.errors("{ orders(first: 250) { nodes { lineItems(first: 50) { edges { node { id } } } } } }")
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    bucket = Bucket(100, 1_000)
    assert bucket.take(100) and not bucket.take(50)
    time.sleep(0.06)
    assert bucket.take(50)
    shop.fault("throttled", times=1, available=0)
    body = shop.send(FACTS).json()
    assert body["errors"][0]["extensions"]["code"] == "THROTTLED" and "data" not in body
    assert body["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] < 3


@pytest.mark.parametrize(
    ("kind", "details", "status"),
    [
        ("too_many_requests", {"retry_after_s": 7}, 429),
        ("server_error", {"status": 502}, 502),
        ("locked_shop", {"status": 402}, 402),
        ("expired_token", {}, 401),
        ("moved_shop", {"status": 301}, 301),
    ],
)
def test_faults_of_http(shop: Shop, kind: str, details: dict[str, Any], status: int) -> None:
    shop.data(FACTS)
    shop.fault(kind, times=1, after=1, **details)
    assert shop.send(FACTS).status_code == 200
    answer = shop.send(FACTS)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert ("Location" in answer.headers) == (status == 301)
    assert shop.send(FACTS).status_code == (401 if status == 401 else 200)


def test_a_missing_scope_is_denied(shop: Shop) -> None:
    shop.fault("missing_scope", scope="read_orders")
    granted = [scope["handle"] for scope in shop.data(FACTS)["currentAppInstallation"]["accessScopes"]]
    assert "read_orders" not in granted and "read_products" in granted
    (error,) = shop.errors(COUNT)
    assert error["extensions"]["code"] == "ACCESS_DENIED" and "`read_orders` access scope" in error["message"]


def test_without_read_all_orders_older_orders_are_absent(shop: Shop) -> None:
    old, new = "created_at:<'2026-09-01T00:00:00Z'", "created_at:>='2026-11-19T00:00:00Z'"
    assert shop.data(COUNT, filter=old)["ordersCount"]["count"] > 1000
    shop.fault("missing_scope", scope="read_all_orders")
    assert shop.data(COUNT, filter=old)["ordersCount"] == {"count": 0, "precision": "EXACT"}
    assert shop.data(COUNT, filter=new)["ordersCount"]["count"] > 30


def test_another_shop_answers_a_redirected_address(shop: Shop) -> None:
    shop.fault("redirected_shop", times=1)
    assert shop.data(FACTS)["shop"]["myshopifyDomain"] == HARBORLINE


def test_filters_and_pages(shop: Shop) -> None:
    page = """query Page($filter: String, $after: String) {
      orders(first: 7, after: $after, query: $filter, sortKey: UPDATED_AT) {
        nodes { id updatedAt } pageInfo { hasNextPage endCursor }
      }
    }"""
    wanted = "updated_at:>='2026-11-20T00:00:00Z' AND updated_at:<'2026-11-20T10:00:00Z'"
    found, after = [], None
    while True:
        orders = shop.data(page, filter=wanted, after=after)["orders"]
        found += orders["nodes"]
        after = orders["pageInfo"]["endCursor"]
        if not orders["pageInfo"]["hasNextPage"]:
            break
    assert (
        len(found) == len({order["id"] for order in found}) == shop.data(COUNT, filter=wanted)["ordersCount"]["count"]
    )
    times = [order["updatedAt"] for order in found]
    assert times == sorted(times) and times[0] >= "2026-11-20T00:00:00Z" and times[-1] < "2026-11-20T10:00:00Z"
    # Without Z a time is one of the shop's zone, here an hour ahead of UTC.
    assert _count(shop, "created_at:>='2026-11-20T01:00:00'") == _count(shop, "created_at:>='2026-11-20T00:00:00Z'")
    assert 0 < _count(shop, "test:true created_at:>='2026-09-01'") < _count(shop, "created_at:>='2026-09-01'")
    for unclear in ("updated_at:>2026-11-20T00:00:00Z", "tag:new", "updated_at:>='2026-11-20' OR test:true"):
        (error,) = shop.errors(COUNT, filter=unclear)
        assert error["extensions"]["code"] == "SANDBOX_NOT_MODELLED"


def test_a_count_has_a_limit_by_default(shop: Shop) -> None:
    limited = shop.data("{ ordersCount(limit: 10) { count precision } }")["ordersCount"]
    assert limited == {"count": 10, "precision": "AT_LEAST"}


def test_the_index_lags_behind(shop: Shop) -> None:
    recent = f"updated_at:>='{(NOW - timedelta(hours=2)):%Y-%m-%dT%H:%M:%SZ}'"
    before = _count(shop, recent)
    shop.fault("index_lag", seconds=3 * 3600)
    assert before > 0 == _count(shop, recent)


def test_shopifyql_gives_the_daily_totals(shop: Shop) -> None:
    query = "FROM sales SHOW gross_sales, discounts, returns, net_sales, taxes GROUP BY day SINCE -3d UNTIL yesterday"
    ask = (
        "query Q($query: String!) { shopifyqlQuery(query: $query) { parseErrors tableData { columns { name } rows } } }"
    )
    answer = shop.data(ask, query=query)["shopifyqlQuery"]
    rows = {row["jour"].isoformat(): row for row in shop.truth().shop_daily(date(2026, 11, 17), date(2026, 11, 20))}
    assert answer["parseErrors"] == [] and len(answer["tableData"]["rows"]) == 3
    for shown in answer["tableData"]["rows"]:
        row = rows[shown["day"]]
        assert (shown["net_sales"], shown["returns"]) == (str(row["ca_net"]), str(-row["retours"]))
    assert shop.data(ask, query="FROM sales SHOW sals GROUP BY day")["shopifyqlQuery"]["parseErrors"]


def test_changes_by_hand_are_seen(shop: Shop) -> None:
    recent = next(s for s in shop.world.states(_all(shop)) if s.lines[0].kind == "product" and not s.cancelled_at)
    id_, line = recent.order.id, recent.lines[0]
    today = date(2026, 11, 20)
    before = shop.truth().shop_daily(today, date(2026, 11, 21))[0]
    shop.edits.refund(id_, {line.id: 1})
    after = shop.truth().shop_daily(today, date(2026, 11, 21))[0]
    assert after["retours"] > before["retours"] and after["ca_brut"] == before["ca_brut"]
    changed = {line_["id"]: line_ for line_ in shop.lines(changed_since("2026-11-20T12:00:00Z"))}
    assert changed[f"gid://shopify/Order/{id_}"]["updatedAt"] == "2026-11-20T12:00:00Z"
    customer = recent.customer_id or 1
    new = shop.edits.add_order([(shop.world.shop.products[0].variants[0].id, 2)], customer_id=customer, country="FR")
    assert shop.truth().shop_daily(today, date(2026, 11, 21))[0]["commandes"] == before["commandes"] + 1
    shop.edits.delete(new)
    assert shop.truth().shop_daily(today, date(2026, 11, 21))[0]["commandes"] == before["commandes"]
    shop.edits.change_time_zone("Pacific/Auckland")
    assert shop.data("{ shop { ianaTimezone } }")["shop"]["ianaTimezone"] == "Pacific/Auckland"
    shop.sandbox.forget_edits()
    assert shop.truth().shop_daily(today, date(2026, 11, 21))[0] == before


def test_another_process_can_change_a_shop_and_read_the_truth(shop: Shop) -> None:
    address = f"{shop.sandbox.url}/_sandbox/shopify"
    order = {"shop": NORDLICHT, "change": "add_order", "items": [[shop.world.shop.products[1].variants[0].id, 3]]}
    id_ = requests.post(f"{address}/edits", json=order, timeout=HANG_SECONDS).json()["result"]
    change = {"shop": NORDLICHT, "change": "refund", "order_id": id_, "units": {str(id_ * 100 + 1): 1}}
    assert requests.post(f"{address}/edits", json=change, timeout=HANG_SECONDS).status_code == 200
    wanted = {"shop": NORDLICHT, "table": "product_daily", "start": "2026-11-20", "end": "2026-11-21"}
    rows = requests.get(f"{address}/truth", params=wanted, timeout=HANG_SECONDS).json()
    row = next(row for row in rows if row["produit_id"] == shop.world.shop.products[1].id)
    assert row["unites_vendues"] >= 3 and row["unites_retournees"] >= 1 and row["jour"] == "2026-11-20"
    for wrong in ({"change": "burn"}, {"shop": "x"}, {"change": "refund", "order_id": 1}):
        answer = requests.post(f"{address}/edits", json={"shop": NORDLICHT, **wrong}, timeout=HANG_SECONDS)
        assert answer.status_code == 400 and answer.json()["error"]


def test_a_list_may_not_contain_a_connection_in_bulk() -> None:
    """The trimmed schema has no such field, so another one shows Shopify's words."""
    schema = build_schema(
        """type Query { orders: OrderConnection } type OrderConnection { edges: [OrderEdge!]! }
        type OrderEdge { node: Order! } type Order { id: ID! refunds: [Refund!]! } type Refund { items: ItemConnection }
        type ItemConnection { edges: [ItemEdge!]! } type ItemEdge { node: Item! } type Item { id: ID! }"""
    )
    _, messages = bulk_document(
        schema, "{ orders { edges { node { id refunds { items { edges { node { id } } } } } } } }"
    )
    assert messages == ["Queries that contain a connection field within a list field are not currently supported."]


def _count(shop: Shop, text: str) -> int:
    return int(shop.data(COUNT, filter=text)["ordersCount"]["count"])


def _all(shop: Shop) -> Any:
    search = Search()
    search.created_at.start = int(datetime(2026, 11, 18, tzinfo=timezone.utc).timestamp())
    return search
