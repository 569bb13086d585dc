"""The facts behind a shop's data: orders, the events that change them, and the money of each event.

Times are epoch seconds in UTC. Money is in hundredths of the order's currency. Amounts are never negative, except those
of a change of price (``UPDATE``): a return has the amounts that it takes back. `documents.py` gives them the signs and
names of the API, and `truth.py` adds them up without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sandbox.shopify.shops import Destination, Shop, Variant

LineType = Literal["PRODUCT", "GIFT_CARD", "SHIPPING", "TIP", "DUTY", "ADDITIONAL_FEE", "ADJUSTMENT"]
Action = Literal["ORDER", "UPDATE", "RETURN"]
Reason = Literal["ORDER", "ORDER_EDIT", "REFUND", "RETURN"]
MarkKind = Literal["fulfilled", "paid", "touched", "cancelled", "deleted", "redacted", "merged"]


@dataclass(slots=True)
class Line:
    """A line item.

    Args:
        id: The number at the end of its gid.
        kind: Its kind.
        title: The title at the time of the order.
        quantity: The units when the order was placed or the item was added.
        unit_price: The price of one unit, as the buyer sees it.
        variant: The variant of a product; None for all other kinds.
        vendor: The vendor's name.
        tax_rate: In hundredths of a percent.
        discount: The discount of all units when they were ordered, as the buyer sees it.
        added_at: The instant of the edit that added it; 0 if it was in the order from the beginning.
    """

    id: int
    kind: Literal["product", "custom", "gift_card", "tip"]
    title: str
    quantity: int
    unit_price: int
    variant: Variant | None = None
    vendor: str | None = None
    tax_rate: int = 0
    discount: int = 0
    added_at: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """The money of one line in one event. ``gross`` and ``discount`` are without tax."""

    line_type: LineType
    action: Action
    gross: int
    discount: int = 0
    tax: int = 0
    line: Line | None = None
    quantity: int | None = None

    @property
    def net(self) -> int:
        """The amount after the discount, without tax."""
        return self.gross - self.discount

    @property
    def total(self) -> int:
        """The amount after the discount, with tax."""
        return self.gross - self.discount + self.tax

    @property
    def sign(self) -> int:
        """-1 for a return, which takes money back; otherwise 1."""
        return -1 if self.action == "RETURN" else 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that changes an order's sales: the order itself, an edit, a return or a refund."""

    at: int
    reason: Reason
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A change that costs nothing. ``customer_id`` is the customer that a merge leaves."""

    at: int
    kind: MarkKind
    customer_id: int | None = None


@dataclass(slots=True)
class Order:
    """An order with all that ever happens to it. Its ``OrderState`` at an instant has only the past ones."""

    shop: Shop
    id: int
    name: str
    created_at: int
    processed_at: int
    currency: str
    customer_id: int | None = None
    ship: Destination | None = None
    bill: Destination | None = None
    test: bool = False
    source_name: str = "web"
    discount_codes: tuple[str, ...] = ()
    presentment: tuple[str, float] | None = None
    lines: list[Line] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def copy(self) -> Order:
        """Returns a copy that can get other events and marks."""
        return Order(
            self.shop, self.id, self.name, self.created_at, self.processed_at, self.currency, self.customer_id,
            self.ship, self.bill, self.test, self.source_name, self.discount_codes, self.presentment,
            list(self.lines), list(self.events), list(self.marks),
        )  # fmt: skip

    @property
    def deleted_at(self) -> int | None:
        """The instant at which it is deleted; None for most orders."""
        return next((mark.at for mark in self.marks if mark.kind == "deleted"), None)

    def at(self, now: int) -> OrderState | None:
        """Returns the order as it is at an instant; None before it is created and after it is deleted."""
        if self.created_at > now:
            return None
        events = [event for event in self.events if event.at <= now]
        state = OrderState(self, self.created_at, events, self.customer_id)
        for event in events:
            state.updated_at = max(state.updated_at, event.at)
        for mark in self.marks:
            if mark.at > now:
                continue
            state.updated_at = max(state.updated_at, mark.at)
            match mark.kind:
                case "deleted":
                    return None
                case "cancelled":
                    state.cancelled_at = mark.at
                case "fulfilled":
                    state.fulfilled = True
                case "paid":
                    state.paid = True
                case "redacted":
                    state.customer_id, state.redacted = None, True
                case "merged":
                    state.customer_id = mark.customer_id
        return state


@dataclass(slots=True)
class OrderState:
    """An order as it is at an instant."""

    order: Order
    updated_at: int
    events: list[Event]
    customer_id: int | None
    cancelled_at: int | None = None
    fulfilled: bool = False
    paid: bool = False
    redacted: bool = False

    @property
    def lines(self) -> list[Line]:
        """The lines that the order has by now."""
        charged = {id(charge.line) for event in self.events for charge in event.charges}
        return [line for line in self.order.lines if id(line) in charged]

    def returned(self, line: Line) -> int:
        """Returns how many units of a line were returned or removed."""
        return sum(
            charge.quantity or 0
            for event in self.events
            for charge in event.charges
            if charge.line is line and charge.action == "RETURN"
        )


@dataclass(slots=True)
class Customer:
    """A customer as it is at an instant."""

    id: int
    created_at: int
    updated_at: int
    country: str


def charge_for(line: Line, *, quantity: int, discount: int, taxes_included: bool, action: Action = "ORDER") -> Charge:
    """Returns the charge for units of a line. The discount is that of these units, as the buyer sees it."""
    shown = line.unit_price * quantity
    kind: LineType = {"product": "PRODUCT", "custom": "PRODUCT", "gift_card": "GIFT_CARD", "tip": "TIP"}[line.kind]  # type: ignore[assignment]
    if taxes_included:
        tax = _part(shown - discount, line.tax_rate, 10_000 + line.tax_rate)
        gross = shown - _part(shown, line.tax_rate, 10_000 + line.tax_rate)
        return Charge(kind, action, gross, gross - (shown - discount - tax), tax, line, quantity)
    return Charge(kind, action, shown, discount, _part(shown - discount, line.tax_rate, 10_000), line, quantity)


def taken_back(charge: Charge, *, before: int, units: int) -> Charge:
    """Returns the return of some units of a charge, of which ``before`` units were returned earlier.

    The parts of a charge add up to it, to the hundredth.
    """
    whole = charge.quantity or 1

    def share(amount: int) -> int:
        return _part(amount, before + units, whole) - _part(amount, before, whole)

    gross, net, tax = share(charge.gross), share(charge.net), share(charge.tax)
    return Charge(charge.line_type, "RETURN", gross, gross - net, tax, charge.line, units)


def _part(amount: int, numerator: int, denominator: int) -> int:
    """The part of an amount, rounded half up."""
    return (2 * amount * numerator + denominator) // (2 * denominator)
