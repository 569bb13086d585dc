"""The lines of a bulk operation's file become rows, and bad lines become rejects with a reason."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.errors import AccountError
from mdp_dagster.connectors.landed_lines import landed_lines
from mdp_dagster.connectors.shop_documents import (
    COLUMNS,
    AgreementRow,
    CustomerRow,
    ItemRow,
    OrderRow,
    ProductRow,
    RejectedRow,
    SaleRow,
    VariantRow,
)
from mdp_dagster.connectors.shopify.rows import read_lines
from tests.connectors.shopify.scripted_shop import ORDER, agreement_line, as_bytes, item_line, order_line, sale_line

Line = dict[str, Any]


def rows(*lines: Line, report: Any = "orders") -> list[Any]:
    return list(read_lines(report, as_bytes(*lines).splitlines(keepends=True)))


def test_an_order_its_items_and_its_sales_become_rows_with_the_stores_values() -> None:
    assert rows(*ORDER) == [
        OrderRow(
            1, "#1", "2026-11-20T09:30:00Z", "2026-11-20T09:30:00Z", "2026-11-21T10:00:00Z", None, None, False, "web",
            True, "EUR", "EUR", "PAID", "FULFILLED", 77, "FR", None, "Lyon", "BE", "VLG", "59.80", "59.80", "59.80",
            '["AUTUMN"]',
        ),
        ItemRow(11, 1, 501, 601, "Crème de nuit", "50 ml", "CN-50", "Aurora", 2, 2, False, "29.90", "0.0"),
        AgreementRow(21, 1, "2026-11-20T09:30:00Z", "ORDER"),
        SaleRow(31, 21, "ORDER", "PRODUCT", 11, 2, "59.80", "9.97", "0.0"),
    ]  # fmt: skip


def test_a_guest_a_digital_order_and_a_deleted_product_are_not_faults() -> None:
    order, item, sale = rows(
        order_line(customer=None, shippingAddress=None, billingAddress=None, sourceName=None),
        item_line(product=None, variant=None, sku=None, vendor=None, variantTitle=None),
        sale_line(lineType="SHIPPING", quantity=None, lineItem=None),
    )
    assert (order.customer_id, order.ship_country, order.bill_country) == (None, None, None)
    assert (item.product_id, item.variant_id, item.sku) == (None, None, None)
    assert (sale.line_item_id, sale.quantity) == (None, None)


def test_products_variants_and_customers_become_rows() -> None:
    product = {
        "id": "gid://shopify/Product/501", "title": "Crème", "vendor": "Aurora", "productType": "Soin",
        "status": "ACTIVE", "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2026-11-01T00:00:00Z",
    }  # fmt: skip
    variant = {
        "id": "gid://shopify/ProductVariant/601", "title": "50 ml", "sku": "CN-50", "price": "29.90",
        "updatedAt": "2026-11-01T00:00:00Z", "__parentId": product["id"],
    }  # fmt: skip
    assert rows(variant, product, report="products") == [
        VariantRow(601, 501, "50 ml", "CN-50", "29.90", "2026-11-01T00:00:00Z"),
        ProductRow(501, "Crème", "Aurora", "Soin", "ACTIVE", "2025-01-01T00:00:00Z", "2026-11-01T00:00:00Z"),
    ]
    times = {"createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2026-11-01T00:00:00Z"}
    customers = rows(
        {"id": "gid://shopify/Customer/77", "defaultAddress": {"countryCodeV2": "FR"}, **times},
        {"id": "gid://shopify/Customer/78", "defaultAddress": None, **times},
        report="customers",
    )
    assert customers == [CustomerRow(77, "FR", *times.values()), CustomerRow(78, None, *times.values())]


@pytest.mark.parametrize(
    ("line", "table", "reason"),
    [
        (order_line(id=None), "orders", "id is missing"),
        (order_line(id="gid://shopify/Order/x"), "orders", "id is unreadable"),
        (order_line(id=f"gid://shopify/Order/{2**63}"), "orders", "id is unreadable"),
        (order_line(processedAt=None), "orders", "processedAt is missing"),
        (order_line(processedAt="yesterday"), "orders", "processedAt is unreadable"),
        (order_line(updatedAt="2026-02-30T00:00:00Z"), "orders", "updatedAt is unreadable"),
        (order_line(updatedAt="2026-02-20"), "orders", "updatedAt is unreadable"),
        (order_line(currencyCode=None), "orders", "currencyCode is missing"),
        (order_line(currencyCode="eur"), "orders", "currencyCode is not three capital letters"),
        (order_line(totalPriceSet=None), "orders", "totalPriceSet is missing"),
        (order_line(totalPriceSet={"shopMoney": {"amount": "12,50"}}), "orders", "totalPriceSet is unreadable"),
        (order_line(totalPriceSet={"shopMoney": {"amount": 12.5}}), "orders", "totalPriceSet is unreadable"),
        (order_line(totalPriceSet={"shopMoney": {"amount": "1e3"}}), "orders", "totalPriceSet is unreadable"),
        (order_line(totalPriceSet={"shopMoney": {"amount": "0.12345"}}), "orders", "totalPriceSet is unreadable"),
        (order_line(totalPriceSet={"shopMoney": {}}), "orders", "the row has another form: KeyError('amount')"),
        (item_line(__parentId=None), "order_items", "the parent is missing"),
        (item_line(quantity="2"), "order_items", "quantity is unreadable"),
        (item_line(isGiftCard=None), "order_items", "isGiftCard is missing"),
        (agreement_line(happenedAt=None), "order_agreements", "happenedAt is missing"),
        (sale_line(quantity=-1), "order_sales", "quantity is negative on an ORDER row"),
        (sale_line(totalTaxAmount={"shopMoney": {"amount": ""}}), "order_sales", "totalTaxAmount is unreadable"),
        (sale_line(lineItem="gid://shopify/LineItem/1"), "order_sales", "the row has another form: Attr"),
    ],
)
def test_a_row_that_breaks_a_rule_is_rejected_with_its_table_and_reason(line: Line, table: str, reason: str) -> None:
    [reject] = rows(line)
    assert isinstance(reject, RejectedRow)
    assert reject.table == table and table in COLUMNS
    assert reject.reason.startswith(reason)
    assert json.loads(reject.payload) == line
    assert reject.row_id in ("", "1", "11", "21", "31") or reject.row_id == line["id"]


def test_a_reject_names_the_order_or_the_agreement_that_it_belongs_to() -> None:
    rejects = rows(
        order_line(7, updatedAt=None), item_line(order=7, quantity=None), agreement_line(70, order=7, reason=""),
        sale_line(agreement=70, actionType=None),
    )  # fmt: skip
    assert [(reject.document_id, reject.agreement_id) for reject in rejects] == [
        (7, None),
        (7, None),
        (7, 70),
        (None, 70),
    ]


def test_a_rejected_variant_names_its_product_and_a_rejected_customer_itself() -> None:
    variant = {"id": "gid://shopify/ProductVariant/6", "price": "free", "__parentId": "gid://shopify/Product/5"}
    [of_product], [of_customer] = (
        rows(variant, report="products"),
        rows({"id": "gid://x/Customer/8"}, report="customers"),
    )
    assert (of_product.table, of_product.document_id, of_product.reason) == ("variants", 5, "price is unreadable")
    assert (of_customer.table, of_customer.document_id) == ("customers", 8)


def test_a_return_has_a_negative_quantity_and_is_kept() -> None:
    [sale] = rows(sale_line(actionType="RETURN", quantity=-2, totalAmount={"shopMoney": {"amount": "-59.80"}}))
    assert (sale.quantity, sale.amount) == (-2, "-59.80")


def test_ids_beyond_the_numbers_that_a_float_can_hold_stay_exact() -> None:
    number = 2**53 + 1
    order, item = rows(order_line(number), item_line(2**63 - 1, order=number))
    assert (order.order_id, item.order_id, item.line_item_id) == (number, number, 2**63 - 1)


def test_a_title_that_postgresql_refuses_keeps_its_other_characters() -> None:
    titles = ("a\x00b", "a\ud83db", "a\\u0000b", "a\udc00\x00b", "🧴")
    assert [row.title for row in rows(*(item_line(title=title) for title in titles))] == [
        "a\ufffdb", "a\ufffdb", "a\\u0000b", "a\ufffd\ufffdb", "🧴",
    ]  # fmt: skip


def test_a_reject_shows_no_field_that_mdp_did_not_request() -> None:
    address = {
        "countryCodeV2": "FR",
        "provinceCode": None,
        "city": "Lyon",
        "address1": "1 rue X",
        "lastName": "Martin",
        "name": "Louise",
    }
    [reject] = rows(order_line(updatedAt=None, email="a@example.com", shippingAddress=address))
    assert not [word for word in ("1 rue", "Martin", "example.com", "Louise") if word in reject.payload]
    assert "Lyon" in reject.payload


@pytest.mark.parametrize(
    ("line", "table", "ids"),
    [
        (order_line(7), "orders", (7, None)),
        (item_line(order=7), "order_items", (7, None)),
        (agreement_line(70, order=7), "order_agreements", (7, 70)),
        (sale_line(agreement=70), "order_sales", (None, 70)),
    ],
)
def test_a_line_that_is_not_json_rejects_its_order(line: Line, table: str, ids: tuple[int | None, int | None]) -> None:
    [reject] = read_lines("orders", [b"{" + as_bytes(line)])
    assert isinstance(reject, RejectedRow)
    assert (reject.table, reject.reason) == (table, "the line is not JSON")
    assert (reject.document_id, reject.agreement_id) == ids
    assert "Lyon" not in reject.payload


@pytest.mark.parametrize(
    "cut", [as_bytes(sale_line())[:-30], as_bytes(order_line())[:8], b"[]\n", b"null", b"\xff\xfe"]
)
def test_a_line_that_does_not_show_its_order_stops_the_sync_and_is_named(cut: bytes) -> None:
    with pytest.raises(AccountError, match="line 2 of the orders is not JSON, and does not show.*→ run the sync again"):
        list(read_lines("orders", [as_bytes(order_line()), cut]))


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_lines_changes_no_row(chance: random.Random) -> None:
    lines = [*ORDER, order_line(2), item_line(12, 2), agreement_line(22, 2), sale_line(32, 22), sale_line(33, 22)]
    shuffled = list(lines)
    chance.shuffle(shuffled)
    assert sorted(map(repr, rows(*shuffled))) == sorted(map(repr, rows(*lines)))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([order_line, item_line, agreement_line, sale_line]), st.data(), _json)
def test_any_value_in_any_field_gives_a_row_or_a_reject(
    make: Callable[..., Line], data: st.DataObject, value: Any
) -> None:
    line = make()
    line[data.draw(st.sampled_from(sorted(line)))] = value
    [row] = read_lines("orders", [json.dumps(line).encode()])
    texts = [text for text in row if isinstance(text, str)]
    assert not [text for text in texts if "\x00" in text]
    assert all(text.encode() is not None for text in texts)


def test_a_damaged_file_in_the_lake_is_named() -> None:
    with pytest.raises(AccountError, match=r"a\.jsonl\.gz in the lake is damaged: .* → move it out of the lake"):
        list(landed_lines(io.BytesIO(b"not gzip"), "a.jsonl.gz"))
