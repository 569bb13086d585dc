"""Turns the lines of a bulk operation's file into rows.

Each line is one object. A child names its parent in ``__parentId``, and can come before it. A line that breaks a rule
of its own becomes a ``RejectedRow``. The rules across lines are the store's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from mdp_dagster.connectors.errors import AccountError
from mdp_dagster.connectors.shop_documents import (
    AgreementRow,
    CustomerRow,
    ItemRow,
    OrderRow,
    ProductRow,
    RejectedRow,
    SaleRow,
    ShopReport,
    ShopRow,
    VariantRow,
)
from mdp_dagster.connectors.shopify.line_values import (
    RowError,
    amount,
    currency,
    decimal,
    flag,
    id_number,
    instant,
    optional_id,
    optional_instant,
    quantity,
    storable,
    text,
    word,
)
from mdp_dagster.connectors.shopify.reports import REQUESTED_FIELDS, REQUESTED_INNER_FIELDS

_Line = dict[str, Any]
_LONGEST_PAYLOAD, _LONGEST_ID = 20_000, 200
_CHILDREN = ("order_items", "order_agreements", "order_sales", "variants")
_IDS = re.compile(rb'"(id|__parentId)":\s*"(gid://[\x21\x23-\x7e]+)"')
_FIELDS = re.compile(rb'"(\w+)":')


def read_lines(report: ShopReport, lines: Iterable[bytes]) -> Iterator[ShopRow]:
    """Yields the row of each line.

    Raises:
        AccountError: A line is not JSON and does not show its order, which would lose a part without a trace.
    """
    kind_of = _KIND_OF[report]
    for number, raw in enumerate(lines, 1):
        if raw.isspace():
            continue
        line = _parsed(raw)
        if line is None:
            yield _damaged(raw, kind_of, f"line {number} of the {report}")
            continue
        table, make = kind_of(line)
        try:
            yield make(line)
        except RowError as error:
            yield _rejected(table, line, str(error))
        except (LookupError, TypeError, AttributeError) as error:
            yield _rejected(table, line, f"the row has another form: {error!r}")


def _parsed(raw: bytes) -> _Line | None:
    try:
        line = orjson.loads(raw)
        if b"\\u0000" in raw:
            line = storable(line)
    except (orjson.JSONDecodeError, RecursionError):  # also half a surrogate pair, which JSON allows
        line = _parsed_leniently(raw)
    return line if isinstance(line, dict) else None


def _parsed_leniently(raw: bytes) -> Any:
    try:
        return storable(json.loads(raw))
    except (ValueError, RecursionError):
        return None


def _order(line: _Line) -> OrderRow:
    ship, bill = line.get("shippingAddress") or {}, line.get("billingAddress") or {}
    return OrderRow(
        id_number(line.get("id"), "id"),
        text(line.get("name"), "name"),
        instant(line.get("createdAt"), "createdAt"),
        instant(line.get("processedAt"), "processedAt"),
        instant(line.get("updatedAt"), "updatedAt"),
        optional_instant(line.get("cancelledAt"), "cancelledAt"),
        text(line.get("cancelReason"), "cancelReason"),
        flag(line.get("test"), "test"),
        text(line.get("sourceName"), "sourceName"),
        flag(line.get("taxesIncluded"), "taxesIncluded"),
        currency(line.get("currencyCode"), "currencyCode"),
        text(line.get("presentmentCurrencyCode"), "presentmentCurrencyCode"),
        text(line.get("displayFinancialStatus"), "displayFinancialStatus"),
        text(line.get("displayFulfillmentStatus"), "displayFulfillmentStatus"),
        optional_id(line.get("customer"), "customer"),
        text(ship.get("countryCodeV2"), "countryCodeV2"),
        text(ship.get("provinceCode"), "provinceCode"),
        text(ship.get("city"), "city"),
        text(bill.get("countryCodeV2"), "countryCodeV2"),
        text(bill.get("provinceCode"), "provinceCode"),
        amount(line.get("totalPriceSet"), "totalPriceSet"),
        amount(line.get("currentTotalPriceSet"), "currentTotalPriceSet"),
        amount(line.get("originalTotalPriceSet"), "originalTotalPriceSet"),
        orjson.dumps([word(code, "discountCodes") for code in line.get("discountCodes") or []]).decode(),
    )


def _item(line: _Line) -> ItemRow:
    return ItemRow(
        id_number(line.get("id"), "id"),
        id_number(line.get("__parentId"), "the parent"),
        optional_id(line.get("product"), "product"),
        optional_id(line.get("variant"), "variant"),
        text(line.get("title"), "title"),
        text(line.get("variantTitle"), "variantTitle"),
        text(line.get("sku"), "sku"),
        text(line.get("vendor"), "vendor"),
        quantity(line.get("quantity"), "quantity"),
        quantity(line.get("currentQuantity"), "currentQuantity"),
        flag(line.get("isGiftCard"), "isGiftCard"),
        amount(line.get("originalUnitPriceSet"), "originalUnitPriceSet"),
        amount(line.get("totalDiscountSet"), "totalDiscountSet"),
    )


def _agreement(line: _Line) -> AgreementRow:
    return AgreementRow(
        id_number(line.get("id"), "id"),
        id_number(line.get("__parentId"), "the parent"),
        instant(line.get("happenedAt"), "happenedAt"),
        word(line.get("reason"), "reason"),
    )


def _sale(line: _Line) -> SaleRow:
    action = word(line.get("actionType"), "actionType")
    units = line.get("quantity")
    if units is not None and quantity(units, "quantity") < 0 and action == "ORDER":
        raise RowError("quantity is negative on an ORDER row")
    return SaleRow(
        id_number(line.get("id"), "id"),
        id_number(line.get("__parentId"), "the parent"),
        action,
        word(line.get("lineType"), "lineType"),
        optional_id(line.get("lineItem"), "lineItem"),
        units,
        amount(line.get("totalAmount"), "totalAmount"),
        amount(line.get("totalTaxAmount"), "totalTaxAmount"),
        amount(line.get("totalDiscountAmountBeforeTaxes"), "totalDiscountAmountBeforeTaxes"),
    )


def _product(line: _Line) -> ProductRow:
    return ProductRow(
        id_number(line.get("id"), "id"),
        text(line.get("title"), "title"),
        text(line.get("vendor"), "vendor"),
        text(line.get("productType"), "productType"),
        text(line.get("status"), "status"),
        instant(line.get("createdAt"), "createdAt"),
        instant(line.get("updatedAt"), "updatedAt"),
    )


def _variant(line: _Line) -> VariantRow:
    return VariantRow(
        id_number(line.get("id"), "id"),
        id_number(line.get("__parentId"), "the parent"),
        text(line.get("title"), "title"),
        text(line.get("sku"), "sku"),
        decimal(line.get("price"), "price"),
        instant(line.get("updatedAt"), "updatedAt"),
    )


def _customer(line: _Line) -> CustomerRow:
    return CustomerRow(
        id_number(line.get("id"), "id"),
        text((line.get("defaultAddress") or {}).get("countryCodeV2"), "countryCodeV2"),
        instant(line.get("createdAt"), "createdAt"),
        instant(line.get("updatedAt"), "updatedAt"),
    )


_Kind = tuple[str, Callable[[_Line], ShopRow]]
_ORDER: _Kind = ("orders", _order)
_ITEM: _Kind = ("order_items", _item)
_AGREEMENT: _Kind = ("order_agreements", _agreement)
_SALE: _Kind = ("order_sales", _sale)
_PRODUCT: _Kind = ("products", _product)
_VARIANT: _Kind = ("variants", _variant)
_CUSTOMER: _Kind = ("customers", _customer)


def _kind_in_orders(line: _Line) -> _Kind:
    """The kind of a line, by a field that only this kind has: the vendor does not document the ids of all kinds."""
    if "actionType" in line or "lineType" in line:
        return _SALE
    if "currentQuantity" in line or "isGiftCard" in line:
        return _ITEM
    if "happenedAt" in line or "reason" in line:
        return _AGREEMENT
    return _ORDER


def _kind_in_products(line: _Line) -> _Kind:
    return _VARIANT if "price" in line or "__parentId" in line else _PRODUCT


_KIND_OF: dict[ShopReport, Callable[[_Line], _Kind]] = {
    "orders": _kind_in_orders,
    "products": _kind_in_products,
    "customers": lambda line: _CUSTOMER,
}


def _rejected(table: str, line: _Line, reason: str) -> RejectedRow:
    own, parent = _number_or_none(line.get("id")), _number_or_none(line.get("__parentId"))
    shown = json.dumps(_requested(line), ensure_ascii=True)
    return RejectedRow(
        table,
        str(own or line.get("id") or "")[:_LONGEST_ID],
        None if table == "order_sales" else parent if table in _CHILDREN else own,
        own if table == "order_agreements" else parent if table == "order_sales" else None,
        reason,
        shown if len(shown) <= _LONGEST_PAYLOAD else json.dumps({"id": line.get("id"), "characters": len(shown)}),
    )


def _damaged(raw: bytes, kind_of: Callable[[_Line], _Kind], where: str) -> RejectedRow:
    """The reject of a line that is not JSON, if its text shows which order it belongs to."""
    ids = {name.decode(): gid.decode() for name, gid in reversed(_IDS.findall(raw))}  # a line's own id comes first
    fields = {field.decode(): None for field in _FIELDS.findall(raw)}
    table, _ = kind_of({**fields, **ids})
    if _number_or_none(ids.get("__parentId" if table in _CHILDREN else "id")) is None:
        raise AccountError(
            f"{where} is not JSON, and does not show what it belongs to: {len(raw)} bytes",
            "run the sync again; if the line is still like this, show the file in the lake to Shopify's support",
        )
    return _rejected(table, ids, "the line is not JSON")


def _number_or_none(gid: Any) -> int | None:
    try:
        return id_number(gid, "")
    except RowError:
        return None


def _requested(value: Any, names: frozenset[str] = REQUESTED_FIELDS) -> Any:
    """The value without fields that MDP did not request: another server could send personal data."""
    if isinstance(value, dict):
        return {key: _requested(inner, REQUESTED_INNER_FIELDS) for key, inner in value.items() if key in names}
    if isinstance(value, list):
        return [_requested(inner, REQUESTED_INNER_FIELDS) for inner in value]
    return value
