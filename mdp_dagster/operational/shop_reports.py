"""The documents of a shop in the operational store, as reports: raw receives them by change.

The store's tables and raw's tables both follow from these declarations. A shop's own system is not named here: every
shop system delivers the same rows (`connectors/shop_documents.py`).
"""

from __future__ import annotations

from mdp_dagster.connectors.base import Column, ColumnType, FeedReport, Report

SOURCE = "shop"
"""The source of all shop tables in raw, for any shop system."""

_ORDER_CURRENCY = "the order's currency"


def _id(name: str, description: str) -> Column:
    return Column(name, ColumnType.INTEGER, description)


def _text(name: str, description: str) -> Column:
    return Column(name, ColumnType.STRING, description)


def _time(name: str, description: str) -> Column:
    return Column(name, ColumnType.TIMESTAMP, f"{description} (UTC).")


def _flag(name: str, description: str) -> Column:
    return Column(name, ColumnType.BOOLEAN, description)


def _money(name: str, description: str, unit: str = _ORDER_CURRENCY) -> Column:
    return Column(name, ColumnType.DECIMAL_TEXT, description, unit)


_SHOP_ID = _id("shop_id", "The shop's own id, which it keeps when its domain changes.")
_ORDER_ID = _id("order_id", "The order.")
_PRODUCT_ID = _id("product_id", "The product.")

ORDER_ITEMS = Report(
    source=SOURCE,
    name="order_items",
    description="The line items of orders.",
    grain="shop × line item",
    key=("shop_id", "line_item_id"),
    columns=(
        _SHOP_ID,
        _id("line_item_id", "The line item."),
        _ORDER_ID,
        _id("product_id", "The product. Null for a custom item, and for a product that was deleted."),
        _id("variant_id", "The variant. Null as for the product."),
        _text("title", "The product's title on the order."),
        _text("variant_title", "The variant's title on the order."),
        _text("sku", "The stock keeping unit on the order."),
        _text("vendor", "The product's vendor on the order."),
        _id("quantity", "Units when the order was placed or the item was added."),
        _id("current_quantity", "Units after edits, refunds and returns."),
        _flag("gift_card", "Whether the item is a gift card."),
        _money("unit_price", "The price of one unit before discounts."),
        _money("discount", "The sum of the item's discounts, for all of its units."),
    ),
)

ORDER_SALES = Report(
    source=SOURCE,
    name="order_sales",
    description="The ledger of orders: each sale, edit and return, when it happened.",
    grain="shop × sale",
    key=("shop_id", "sale_id"),
    columns=(
        _SHOP_ID,
        _id("sale_id", "The entry of the ledger."),
        _ORDER_ID,
        _id("agreement_id", "The event that the entry belongs to."),
        _time("happened_at", "When the event happened"),
        _text("reason", "The reason of the event: ORDER, ORDER_EDIT, RETURN, REFUND or another."),
        _text("action_type", "ORDER, UPDATE, RETURN or UNKNOWN."),
        _text("line_type", "PRODUCT, SHIPPING, TIP, GIFT_CARD, FEE, ADDITIONAL_FEE, DUTY, ADJUSTMENT or UNKNOWN."),
        _id("line_item_id", "The line item. Null for an entry that does not concern an item, such as shipping."),
        _id("quantity", "Units; negative for a return."),
        _money("amount", "The amount after discounts, with tax; negative for a return."),
        _money("tax", "The tax in the amount."),
        _money("discount_before_tax", "The discounts before taxes."),
    ),
)

ORDERS = FeedReport(
    source=SOURCE,
    name="orders",
    description="Orders. Items and sales of an order's version have its `change_seq`.",
    grain="shop × order × change_seq",
    key=("shop_id", "order_id"),
    columns=(
        _SHOP_ID,
        _ORDER_ID,
        _text("name", "The order's number as people see it."),
        _time("created_at", "When the order was created in the shop's system"),
        _time("processed_at", "When the order was placed. For imported orders, it is earlier than `created_at`"),
        _time("cancelled_at", "When the order was cancelled"),
        _text("cancel_reason", "Why the order was cancelled."),
        _flag("test", "Whether the order is a test."),
        _text("source_name", "Where the order was placed: `web`, `pos` or an app."),
        _flag("taxes_included", "Whether prices include taxes."),
        _text("currency", "The shop's currency (ISO 4217) when the order was placed: the currency of its amounts."),
        _text("presentment_currency", "The currency that the customer saw (ISO 4217)."),
        _text("financial_status", "The state of the payment."),
        _id("customer_id", "The customer. Null for a guest."),
        _text("ship_country", "The shipping address's country (ISO 3166 alpha-2)."),
        _text("ship_province", "The shipping address's province code."),
        _text("ship_city", "The shipping address's city. Free text."),
        _text("bill_country", "The billing address's country (ISO 3166 alpha-2)."),
        _text("bill_province", "The billing address's province code."),
        _money("total_price", "The total before returns and edits are taken off."),
        _money("current_total_price", "The total after returns and edits."),
        _money("original_total_price", "The total when the order was placed."),
        Column("discount_codes", ColumnType.JSON_TEXT, "The discount codes, as a JSON list of texts."),
    ),
    children=(ORDER_ITEMS, ORDER_SALES),
)

VARIANTS = Report(
    source=SOURCE,
    name="variants",
    description="The variants of products, as of the product's version.",
    grain="shop × variant",
    key=("shop_id", "variant_id"),
    columns=(
        _SHOP_ID,
        _id("variant_id", "The variant."),
        _PRODUCT_ID,
        _text("title", "The variant's title."),
        _text("sku", "The stock keeping unit."),
        _money("price", "The price at the time of the version.", "the shop's currency"),
    ),
)

PRODUCTS = FeedReport(
    source=SOURCE,
    name="products",
    description="Products. Variants of a product's version have its `change_seq`.",
    grain="shop × product × change_seq",
    key=("shop_id", "product_id"),
    columns=(
        _SHOP_ID,
        _PRODUCT_ID,
        _text("title", "The product's title."),
        _text("vendor", "The product's vendor."),
        _text("product_type", "The product's type."),
        _text("status", "ACTIVE, ARCHIVED or DRAFT."),
        _time("created_at", "When the product was created"),
    ),
    children=(VARIANTS,),
)

CUSTOMERS = FeedReport(
    source=SOURCE,
    name="customers",
    description="Customers: id and country, nothing personal.",
    grain="shop × customer × change_seq",
    key=("shop_id", "customer_id"),
    columns=(
        _SHOP_ID,
        _id("customer_id", "The customer."),
        _text("country", "The default address's country (ISO 3166 alpha-2)."),
        _time("created_at", "When the customer was created"),
    ),
)

SHOPS = FeedReport(
    source=SOURCE,
    name="shops",
    description="The shops' facts. A change of name, time zone or currency is a new version.",
    grain="shop × change_seq",
    key=("shop_id",),
    columns=(
        _SHOP_ID,
        _text("domain", "The shop's own domain, which is its id in the clients file."),
        _text("name", "The shop's name."),
        _text("time_zone", "IANA name. A day of the shop is a day in this zone."),
        _text("currency", "The shop's currency of today (ISO 4217). An order has its own."),
    ),
)

FEEDS: tuple[FeedReport, ...] = (SHOPS, PRODUCTS, CUSTOMERS, ORDERS)
"""Everything that raw receives from the store."""
