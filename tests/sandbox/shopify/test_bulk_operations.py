"""Bulk operations: the restrictions, the file, and all that can go wrong with them."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import httpx
import orjson
import pytest

from sandbox.shopify.documents import order_document
from sandbox.shopify.filters import Search
from tests.sandbox.shopify.conftest import CANCEL, HARBORLINE, POLL, RUN, Shop, changed_since
from tests.support.limits import HANG_SECONDS

TODAY = changed_since("2026-11-20T00:00:00Z")
NOTHING = changed_since("2026-11-20T12:00:01Z")


def test_the_file_has_a_line_for_each_object_in_no_order(shop: Shop) -> None:
    operation = shop.ended(TODAY)
    content = shop.http.get(operation["url"]).content
    lines = [orjson.loads(line) for line in content.splitlines()]
    kinds = Counter(line["id"].split("/")[3] for line in lines)
    assert (int(operation["objectCount"]), int(operation["rootObjectCount"])) == (len(lines), kinds["Order"])
    assert int(operation["fileSize"]) == len(content)
    places = {line["id"]: place for place, line in enumerate(lines)}
    early = sum(places[line["__parentId"]] > place for place, line in enumerate(lines) if "__parentId" in line)
    assert 0 < early < len(lines)
    parents = [line["__parentId"] for line in lines if "__parentId" in line]
    assert parents != sorted(parents)


def test_the_lines_have_what_the_query_selects(shop: Shop) -> None:
    lines = shop.lines(TODAY)
    order = next(line for line in lines if "/Order/" in line["id"])
    search = Search()
    search.id.narrow("=", int(order["id"].rpartition("/")[2]))
    (state,) = shop.world.states(search)
    document = order_document(state)
    assert order["originalTotalPriceSet"] == {
        "shopMoney": {"amount": document["originalTotalPriceSet"]["shopMoney"]["amount"]}
    }
    assert "lineItems" not in order and "name" not in order and "__typename" not in order
    assert {line["id"] for line in lines if line.get("__parentId") == order["id"]} == {
        child["id"] for child in (*document["lineItems"], *document["agreements"])
    }
    sales = [line for line in lines if "actionType" in line]
    assert all(("lineItem" in sale) == (sale["lineType"] == "PRODUCT") for sale in sales)


def test_grouped_children_follow_their_parent(shop: Shop) -> None:
    seen: set[str] = set()
    for line in shop.lines(TODAY, grouped=True):
        assert line.get("__parentId") is None or line["__parentId"] in seen
        seen.add(line["id"])


def test_products_and_customers_are_read_in_bulk(other_shop: Shop) -> None:
    products = other_shop.lines("{ products { edges { node { id title variants { edges { node { id price } } } } } } }")
    assert sum("title" in line for line in products) == len(other_shop.world.products())
    customers = other_shop.lines(
        "{ customers(query: \"updated_at:>='2026-11-19T00:00:00Z'\") { edges { node { id defaultAddress "
        "{ countryCodeV2 } } } } }"
    )
    assert len(customers) > 20 and all(line["defaultAddress"]["countryCodeV2"] for line in customers)
    assert all(int(line["id"].rpartition("/")[2]) > 2**53 for line in customers)


def test_nothing_found_is_a_completed_operation_without_a_file(shop: Shop) -> None:
    operation = shop.ended(NOTHING)
    assert (operation["status"], operation["url"], operation["objectCount"]) == ("COMPLETED", None, "0")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Invalid bulk query: syntax error, unexpected end of file"),
        ("{ shop { name } }", "Bulk queries must contain at least one connection."),
        ("mutation { bulkOperationCancel(id: 1) { bulkOperation { id } } }", "Invalid operation type. Only `query`"),
        ("{ orders { nodes { id } } }", "All connection fields in a bulk query must select their contents using"),
        ("{ node(id: 1) { id } }", "Bulk queries cannot contain a top level `node` field."),
        ("{ orders { edges { node { emial } } } }", "Invalid bulk query: Field 'emial' doesn't exist on type 'Order'"),
        (
            "{ orders { edges { node { name lineItems { edges { node { id } } } } } } }",
            "The parent 'node' field for a nested connection must select the 'id' field",
        ),
        (
            "{ orders { edges { node { id "
            + " ".join(f"{name}: lineItems {{ edges {{ node {{ id }} }} }}" for name in "abcde")
            + " } } } }",
            "Bulk queries cannot contain more than 5 connections.",
        ),
    ],
)
def test_the_restrictions_are_named_in_shopifys_words(shop: Shop, query: str, message: str) -> None:
    refused = shop.start(query)
    assert refused["bulkOperation"] is None
    assert refused["userErrors"][0]["message"].startswith(message)
    assert refused["userErrors"][0]["code"] == "INVALID" and refused["userErrors"][0]["field"] == ["query"]


def test_the_host_of_the_files_checks_the_signature_and_refuses_a_token(shop: Shop) -> None:
    url = shop.ended(TODAY)["url"]
    assert not url.startswith(shop.sandbox.url)
    assert shop.http.get(url, headers={"X-Shopify-Access-Token": str(shop.token)}).status_code == 400
    assert shop.http.get(url[:-3] + "xyz").status_code == 403
    assert shop.http.get(url.replace("bulk-", "bulk-9")).status_code == 404
    shop.fault("expired_url", times=1)
    assert shop.http.get(url).status_code == 400
    assert shop.http.get(url).status_code == 200


def test_a_file_can_end_early(shop: Shop) -> None:
    shop.fault("truncated_file", times=1)
    operation = shop.ended(TODAY)
    assert 0 < len(shop.http.get(operation["url"]).content) < int(operation["fileSize"])
    shop.fault("broken_download", times=1)
    url = shop.ended(TODAY)["url"]
    with pytest.raises(httpx.RemoteProtocolError):
        shop.http.get(url)
    assert shop.http.get(url).status_code == 200


def test_an_operation_can_end_badly(shop: Shop) -> None:
    for kind, details, status in (
        ("bulk_failed", {"error_code": "TIMEOUT"}, "FAILED"),
        ("bulk_canceled", {}, "CANCELED"),
    ):
        shop.fault(kind, times=1, **details)
        operation = shop.ended(TODAY)
        assert (operation["status"], operation["url"]) == (status, None)
        assert operation["errorCode"] == details.get("error_code")
    shop.fault("bulk_without_url", times=1)
    assert shop.ended(TODAY)["url"] is None
    shop.fault("wrong_counts", times=1, objects=3)
    assert int(shop.ended(TODAY)["objectCount"]) == int(shop.ended(TODAY)["objectCount"]) + 3
    shop.fault("missing_scope", times=1, scope="read_orders")
    assert shop.ended(TODAY)["errorCode"] == "ACCESS_DENIED"


def test_an_operation_that_never_ends_can_be_canceled(shop: Shop) -> None:
    shop.fault("bulk_stuck", times=1)
    shop.fault("bulk_slow_to_cancel", times=1, polls=2)
    id_ = shop.start(TODAY)["bulkOperation"]["id"]
    canceled = shop.data(CANCEL, id=id_)["bulkOperationCancel"]
    assert canceled == {"bulkOperation": {"id": id_, "status": "CANCELING"}, "userErrors": []}
    statuses = [shop.data(POLL, id=id_)["bulkOperation"]["status"] for _ in range(3)]
    assert statuses == ["CANCELING", "CANCELING", "CANCELED"]
    again = shop.data(CANCEL, id=id_)["bulkOperationCancel"]["userErrors"]
    assert again == [{"field": None, "message": "A bulk operation cannot be canceled when it is canceled"}]
    unknown = shop.data(CANCEL, id="gid://shopify/BulkOperation/1")["bulkOperationCancel"]
    assert unknown["userErrors"][0]["message"] == "Bulk operation does not exist"


def test_only_five_operations_run_at_a_time(shop: Shop, other_shop: Shop) -> None:
    shop.fault("bulk_stuck")
    ids = [shop.start(NOTHING)["bulkOperation"]["id"] for _ in range(5)]
    (error,) = shop.start(NOTHING)["userErrors"]
    assert error["code"] == "OPERATION_IN_PROGRESS" and ids[-1] in error["message"]
    assert other_shop.start(NOTHING)["userErrors"] == []
    deadline = time.monotonic() + HANG_SECONDS
    listed: list[dict[str, str]] = []
    while len(listed) < 5 and time.monotonic() < deadline:
        asked = '{ bulkOperations(first: 10, query: "status:RUNNING") { nodes { id status } } }'
        listed = shop.data(asked)["bulkOperations"]["nodes"]
    assert {operation["id"] for operation in listed} == set(ids)
    shop.sandbox.forget_edits()
    shop.fault("operation_in_progress", times=1, code="LIMIT_REACHED")
    assert shop.start(NOTHING)["userErrors"][0]["code"] == "LIMIT_REACHED"
    assert shop.start(NOTHING)["userErrors"] == []


def test_all_children_can_come_first(shop: Shop) -> None:
    shop.fault("children_first", times=1)
    children = ["__parentId" in line for line in shop.lines(TODAY)]
    assert children == sorted(children, reverse=True) and not children[-1]


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("processedAt", b'"processedAt":"2026-13-45T25:00:00Z"'),
        ("id", b'{"id":null,'),
        ("currencyCode", b'"currencyCode":"euro"'),
        ("amount", b'"amount":"12,50'),
        ("happenedAt", b'"happenedAt":"yesterday"'),
        ("total", b'"amount":"999999.99"'),
        ("parent", b'"__parentId":"gid://shopify/Order/1"'),
        ("quantity", b'"quantity":-1,'),
        ("nul", b"Schuh\\u0000links"),
        ("surrogate", b"\\ud83d"),
        ("large_id", b"gid://shopify/Order/9223372036854775808"),
        ("json", b"{{"),
    ],
)
def test_orders_can_be_damaged(shop: Shop, field: str, shown: bytes) -> None:
    narrow = changed_since("2026-11-20T08:00:00Z")
    before = shop.http.get(shop.ended(narrow)["url"]).content
    shop.fault("malformed", times=1, field=field, orders=2, every=3)
    after = shop.http.get(shop.ended(narrow)["url"]).content
    assert after.count(shown) - before.count(shown) == 2
    assert after.count(b"\n") == before.count(b"\n")


def test_an_item_can_be_under_another_order(shop: Shop) -> None:
    before = {line["id"]: line.get("__parentId") for line in shop.lines(TODAY)}
    shop.fault("malformed", times=1, field="moved", every=5, orders=10**6)
    after = {line["id"]: line.get("__parentId") for line in shop.lines(TODAY)}
    moved = {id_ for id_, parent in after.items() if before[id_] != parent}
    assert len(moved) > 2 and all("/LineItem/" in id_ and "/Order/" in str(after[id_]) for id_ in moved if after[id_])


def test_an_order_can_be_there_twice(shop: Shop) -> None:
    shop.fault("malformed", times=1, field="duplicate")
    ids = Counter(line["id"] for line in shop.lines(TODAY))
    assert [number for number in ids.values() if number > 1] == [2]


def test_faults_hit_one_shop_and_one_kind_of_request(shop: Shop, other_shop: Shop) -> None:
    shop.fault("internal_error", method="Run")
    assert shop.errors(RUN, query=NOTHING)[0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert shop.data("query Other { shop { name } }")
    assert other_shop.ended(NOTHING)["status"] == "COMPLETED"
    log: dict[str, Any] = {entry["method"]: entry for entry in shop.sandbox.requests.requests()}
    assert {"token", "Run", "Poll", "Other"} <= set(log) and log["Poll"]["account_id"] == HARBORLINE
    assert not any("shpat" in str(entry) for entry in shop.sandbox.requests.requests())
