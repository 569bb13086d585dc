"""A shop's facts in the shapes and words of the Admin API: objects as dictionaries, connections as lists.

Money of a return is negative here, and amounts are decimal texts. Both the executor and the bulk files read these
dictionaries. They have every field of the trimmed schema.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from sandbox.shopify.facts import Charge, Customer, Event, Line, Order, OrderState
from sandbox.shopify.shop_world import ShopWorld
from sandbox.shopify.shops import Destination, Product, Variant

_SALE_TYPES = {
    "PRODUCT": "ProductSale",
    "GIFT_CARD": "GiftCardSale",
    "SHIPPING": "ShippingLineSale",
    "TIP": "TipSale",
    "DUTY": "DutySale",
    "ADDITIONAL_FEE": "AdditionalFeeSale",
    "ADJUSTMENT": "AdjustmentSale",
}
_AGREEMENT_TYPES = {
    "ORDER": "OrderAgreement",
    "ORDER_EDIT": "OrderEditAgreement",
    "REFUND": "RefundAgreement",
    "RETURN": "ReturnAgreement",
}


def gid(kind: str, number: int) -> str:
    """Returns a global id."""
    return f"gid://shopify/{kind}/{number}"


@lru_cache(maxsize=65_536)
def iso(at: int) -> str:
    """Returns an instant as the API writes it."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal_text(hundredths: int) -> str:
    """Returns an amount as the API writes it: at least one decimal, and no zero after it."""
    whole, part = divmod(abs(hundredths), 100)
    text = f"{whole}.{part:02}"
    return ("-" if hundredths < 0 else "") + (text[:-1] if text.endswith("0") else text)


def shop_document(world: ShopWorld) -> dict[str, Any]:
    """Returns the shop."""
    shop = world.shop
    return {
        "__typename": "Shop",
        "id": gid("Shop", shop.id),
        "name": shop.name,
        "myshopifyDomain": shop.domain,
        "ianaTimezone": world.zone_name,
        "currencyCode": world.currency(world.now),
    }


def order_document(state: OrderState) -> dict[str, Any]:
    """Returns an order with its items and agreements."""
    order = state.order
    placed = sum(_signed(event, later=False) for event in state.events)
    after_edits = placed + sum(_signed(event) for event in state.events if event.reason == "ORDER_EDIT")
    current = sum(_signed(event) for event in state.events)
    return {
        "__typename": "Order",
        "id": gid("Order", order.id),
        "name": order.name,
        "createdAt": iso(order.created_at),
        "processedAt": iso(order.processed_at),
        "updatedAt": iso(state.updated_at),
        "cancelledAt": iso(state.cancelled_at) if state.cancelled_at else None,
        "cancelReason": "CUSTOMER" if state.cancelled_at else None,
        "test": order.test,
        "sourceName": order.source_name,
        "taxesIncluded": order.shop.taxes_included,
        "currencyCode": order.currency,
        "presentmentCurrencyCode": order.presentment[0] if order.presentment else order.currency,
        "displayFinancialStatus": _financial_status(state, current),
        "displayFulfillmentStatus": "FULFILLED" if state.fulfilled else "UNFULFILLED",
        "discountCodes": list(order.discount_codes),
        "customer": {"__typename": "Customer", "id": gid("Customer", state.customer_id)} if state.customer_id else None,
        "shippingAddress": _address(order.ship, state.redacted),
        "billingAddress": _address(order.bill, state.redacted),
        "totalPriceSet": _money(order, after_edits),
        "currentTotalPriceSet": _money(order, current),
        "originalTotalPriceSet": _money(order, placed),
        "lineItems": [_item(state, line) for line in state.lines],
        "agreements": _agreements(state),
    }


def product_document(product: Product, now: int) -> dict[str, Any]:
    """Returns a product with its variants."""
    return {
        "__typename": "Product",
        "id": gid("Product", product.id),
        "title": product.title(now),
        "vendor": product.vendor,
        "productType": product.product_type,
        "status": "ACTIVE",
        "createdAt": iso(product.created_at),
        "updatedAt": iso(product.updated_at(now)),
        "variants": [_variant(product, variant, now) for variant in product.variants],
    }


def customer_document(customer: Customer) -> dict[str, Any]:
    """Returns a customer."""
    return {
        "__typename": "Customer",
        "id": gid("Customer", customer.id),
        "createdAt": iso(customer.created_at),
        "updatedAt": iso(customer.updated_at),
        "defaultAddress": {"__typename": "MailingAddress", "countryCodeV2": customer.country},
    }


def _variant(product: Product, variant: Variant, now: int) -> dict[str, Any]:
    changed = product.dearer_at if product.dearer_at <= now else product.created_at
    return {
        "__typename": "ProductVariant",
        "id": gid("ProductVariant", variant.id),
        "title": variant.title,
        "sku": variant.sku,
        "price": decimal_text(product.price(variant, now)),
        "updatedAt": iso(changed),
    }


def _item(state: OrderState, line: Line) -> dict[str, Any]:
    order, variant = state.order, line.variant
    named = variant is not None and variant.title != "Default Title"
    return {
        "__typename": "LineItem",
        "id": gid("LineItem", line.id),
        "title": line.title,
        "variantTitle": variant.title if variant is not None and named else None,
        "sku": variant.sku if variant else None,
        "vendor": line.vendor,
        "quantity": line.quantity,
        "currentQuantity": line.quantity - state.returned(line),
        "isGiftCard": line.kind == "gift_card",
        "product": {"__typename": "Product", "id": gid("Product", variant.product_id)} if variant else None,
        "variant": {"__typename": "ProductVariant", "id": gid("ProductVariant", variant.id)} if variant else None,
        "originalUnitPriceSet": _money(order, line.unit_price),
        "totalDiscountSet": _money(order, line.discount),
    }


def _agreements(state: OrderState) -> list[dict[str, Any]]:
    order, found, number = state.order, [], 0
    for index, event in enumerate(state.events):
        sales = []
        for charge in event.charges:
            number += 1
            sales.append(_sale(order, charge, order.id * 1000 + number))
        found.append(
            {
                "__typename": _AGREEMENT_TYPES[event.reason],
                "id": gid(_AGREEMENT_TYPES[event.reason], order.id * 100 + index + 1),
                "happenedAt": iso(event.at),
                "reason": event.reason,
                "sales": sales,
            }
        )
    return found


def _sale(order: Order, charge: Charge, id_: int) -> dict[str, Any]:
    sign, kind = charge.sign, _SALE_TYPES[charge.line_type]
    sale: dict[str, Any] = {
        "__typename": kind,
        "id": gid(kind, id_),
        "actionType": charge.action,
        "lineType": charge.line_type,
        "quantity": None if charge.quantity is None else sign * charge.quantity,
        "totalAmount": _money(order, sign * charge.total),
        "totalTaxAmount": _money(order, sign * charge.tax),
        "totalDiscountAmountBeforeTaxes": _money(order, sign * charge.discount),
    }
    if charge.line is not None:
        sale["lineItem"] = {"__typename": "LineItem", "id": gid("LineItem", charge.line.id)}
    return sale


def _money(order: Order, hundredths: int) -> dict[str, Any]:
    text = decimal_text(hundredths)
    shown = {"amount": text, "currencyCode": order.currency}
    if order.presentment:
        currency, rate = order.presentment
        return {"shopMoney": shown, "presentmentMoney": {"amount": decimal_text(round(hundredths * rate)),
                                                         "currencyCode": currency}}  # fmt: skip
    return {"shopMoney": shown, "presentmentMoney": shown}


def _address(place: Destination | None, redacted: bool) -> dict[str, Any] | None:
    if place is None:
        return None
    return {
        "__typename": "MailingAddress",
        "countryCodeV2": place.country,
        "provinceCode": place.province,
        "city": None if redacted else place.city,
    }


def _signed(event: Event, *, later: bool = True) -> int:
    """The total of an event; without ``later``, only that of the order itself."""
    if not later and event.reason != "ORDER":
        return 0
    return sum(charge.sign * charge.total for charge in event.charges)


def _financial_status(state: OrderState, current: int) -> str:
    if not state.paid:
        return "VOIDED" if state.cancelled_at else "PENDING"
    if not any(event.reason in ("REFUND", "RETURN") and event.charges for event in state.events):
        return "PAID"
    return "PARTIALLY_REFUNDED" if current > 0 else "REFUNDED"
