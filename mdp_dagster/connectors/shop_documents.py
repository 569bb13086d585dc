"""The rows that a shop's source delivers, and the interface of such a source.

Every shop system delivers the same rows, so the operational store and everything after it serve all of them. The fields
have the names of the store's columns. The store adds its own columns: the shop, the sync, the digest and the version.

Values are ready for the store. An id is a whole number below 2^63. A timestamp is ISO 8601 text with an offset, and an
amount is decimal text with at most four decimals: both are checked, and stay text, so that money is never a float.
Other texts have neither a NUL nor half a surrogate pair. None means that the shop has no value.

No row has a name, an email address, a phone number or a street.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Literal, NamedTuple, Protocol

from mdp_dagster.connectors.answer_landing import Landing
from mdp_dagster.connectors.api_version import ApiVersion
from mdp_dagster.connectors.shop_totals import ShopDayTotals

ShopReport = Literal["orders", "products", "customers"]
"""The reports of a shop: orders with items and sales, products with variants, or customers."""

SHOP_REPORTS: tuple[ShopReport, ...] = ("orders", "products", "customers")


class OrderRow(NamedTuple):
    """One order. Amounts are in the order's own ``currency``, which is the shop's currency on the day of the order."""

    order_id: int
    name: str | None
    created_at: str
    processed_at: str
    updated_at: str
    cancelled_at: str | None
    cancel_reason: str | None
    test: bool
    source_name: str | None
    taxes_included: bool
    currency: str
    presentment_currency: str | None
    financial_status: str | None
    fulfillment_status: str | None
    customer_id: int | None
    """None for a guest."""
    ship_country: str | None
    """ISO 3166 alpha-2, as all countries here."""
    ship_province: str | None
    ship_city: str | None
    bill_country: str | None
    bill_province: str | None
    total_price: str
    """Before returns and edits are taken off."""
    current_total_price: str
    """After returns and edits."""
    original_total_price: str
    """When the order was placed."""
    discount_codes: str
    """A JSON list of texts."""


class ItemRow(NamedTuple):
    """One line item of an order."""

    line_item_id: int
    order_id: int
    product_id: int | None
    """None for a custom item, and for a product that was deleted."""
    variant_id: int | None
    title: str | None
    variant_title: str | None
    sku: str | None
    vendor: str | None
    quantity: int
    """When the order was placed or the item was added."""
    current_quantity: int
    gift_card: bool
    unit_price: str
    """The price of one unit before discounts."""
    discount: str
    """The sum of the item's discounts, for all of its units."""


class AgreementRow(NamedTuple):
    """One event of an order that changes its sales: the order itself, an edit, a return or a refund."""

    agreement_id: int
    order_id: int
    happened_at: str
    reason: str


class SaleRow(NamedTuple):
    """One entry of an agreement. A return has a negative quantity and a negative amount.

    The order, ``happened_at`` and ``reason`` are those of its agreement.
    """

    sale_id: int
    agreement_id: int
    action_type: str
    line_type: str
    line_item_id: int | None
    """None for a sale that does not concern an item, such as shipping."""
    quantity: int | None
    amount: str
    """After discounts, with tax."""
    tax: str
    discount_before_tax: str


class ProductRow(NamedTuple):
    """One product."""

    product_id: int
    title: str | None
    vendor: str | None
    product_type: str | None
    status: str | None
    created_at: str
    updated_at: str


class VariantRow(NamedTuple):
    """One variant of a product."""

    variant_id: int
    product_id: int
    title: str | None
    sku: str | None
    price: str
    """The price of today in the shop's currency."""
    updated_at: str


class CustomerRow(NamedTuple):
    """One customer: the id and the country, without anything personal."""

    customer_id: int
    country: str | None
    created_at: str
    updated_at: str


class RejectedRow(NamedTuple):
    """A row that breaks a rule which concerns this row alone. All other rows of its document are rejected with it."""

    table: str
    """The table that the row is missing from: a key of ``COLUMNS``, or empty for a row of an unknown kind."""
    row_id: str
    """The id's number; the id as the shop sent it, if it has none; empty without an id."""
    document_id: int | None
    """The order, product or customer, if the row names it. A sale names only its agreement."""
    agreement_id: int | None
    reason: str
    payload: str
    """The row as JSON, without fields that MDP did not request."""


ShopRow = OrderRow | ItemRow | AgreementRow | SaleRow | ProductRow | VariantRow | CustomerRow | RejectedRow

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "orders": OrderRow._fields,
    "order_items": ItemRow._fields,
    "order_agreements": AgreementRow._fields,
    "order_sales": SaleRow._fields,
    "products": ProductRow._fields,
    "variants": VariantRow._fields,
    "customers": CustomerRow._fields,
}
"""The columns of each kind of row. ``order_agreements`` is not stored: its columns become those of its sales."""


@dataclass(frozen=True, kw_only=True)
class ShopFacts:
    """The facts that a shop reports about itself.

    Args:
        shop_id: The id that the shop keeps when its domain changes.
        domain: The shop's own domain, which is its id in the clients file.
        name: The shop's name.
        time_zone: IANA name. A day of the shop is a day in this zone.
        currency: ISO 4217 code of today. An order has its own.
    """

    shop_id: int
    domain: str
    name: str
    time_zone: str
    currency: str


class ShopWindow(NamedTuple):
    """A half-open range of instants (UTC): everything that was last changed in it is read."""

    start: datetime
    end: datetime

    @classmethod
    def of_day(cls, day: date) -> ShopWindow:
        """Returns a whole day (UTC)."""
        midnight = datetime.combine(day, time(), timezone.utc)
        return cls(midnight, midnight + timedelta(days=1))


@dataclass(frozen=True, kw_only=True)
class LandedFile:
    """A complete answer in the lake: the shop's own lines, unchanged, compressed with gzip.

    Args:
        path: Its path in the landing place.
        window: The window that it answers.
        lines: The number of lines.
        documents: The number of orders, products or customers, as the shop counted them.
    """

    path: str
    window: ShopWindow
    lines: int
    documents: int


ReadLines = Callable[[ShopReport, Iterable[bytes]], Iterator[ShopRow]]
"""Turns the lines of a landed file into rows. The same lines always give the same rows.

Raises ``ConnectorError`` for a line that is not JSON: then a part of an order would be missing without a trace.
"""


class ShopSync(Protocol):
    """Access to one shop. Every method that makes a request raises ``ConnectorError``."""

    def facts(self, known_id: int | None = None) -> ShopFacts:
        """Returns the shop's facts, after checking that it is the configured shop and grants what MDP needs.

        Args:
            known_id: The shop's id from an earlier sync. Another id at the same domain is an error.
        """

    def windows(self, report: ShopReport, watermark: datetime | None, now: datetime) -> list[ShopWindow]:
        """Returns the windows to read, oldest first. The end of the last one is the next watermark.

        Args:
            report: The report to read.
            watermark: The end of the last window that was committed; None before the first sync.
            now: The time of the caller's clock.
        """

    def land(self, report: ShopReport, window: ShopWindow, landing: Landing) -> list[LandedFile]:
        """Writes the shop's answer to the lake, in one file or, if the shop needs smaller windows, in several.

        A file appears only after its lines were counted and the shop's own counts agree. An ``OSError`` of the landing
        place is passed on.
        """

    def land_created(self, day: date, landing: Landing) -> list[LandedFile]:
        """Writes the orders that were created on a day (UTC) to the lake, as ``land`` does, whenever they changed."""

    def read(self, report: ShopReport, window: ShopWindow, landing: Landing) -> Iterator[ShopRow]:
        """Lands a window, then yields the rows of its files. Children may come before their parents."""

    def order_counts(self, days: Sequence[date]) -> dict[date, int]:
        """Returns the number of orders that were created on each day (UTC), without days that can't be counted."""

    def order_ids(self, day: date, changed_since: datetime | None = None) -> set[int]:
        """Returns the ids of the orders that were created on a day (UTC), or only of those that changed since."""

    def day_totals(self, first: date, last: date) -> list[ShopDayTotals] | None:
        """Returns the shop's own totals of the days, both included; None if the shop does not permit it."""

    def api_version(self) -> ApiVersion:
        """Returns the version of the API that MDP requests."""


@dataclass(frozen=True, kw_only=True)
class ShopAccess:
    """The declaration of a shop's source, in place of the reports and the connector of an ad platform.

    Args:
        open: Returns the access to the shop with this domain, with the settings of the environment. Makes no request.
        read_lines: The source's reader of landed files, also for a replay from the lake.
    """

    open: Callable[[str], ShopSync]
    read_lines: ReadLines
