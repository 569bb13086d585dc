"""The orders that a shop gets on a day, with all that will ever happen to them: a function of seed, shop and day.

Nothing here depends on the clock. So a world with a later instant shows the same orders, with more of their events.
Nothing happens in the last six minutes of an hour, so a sync at a full hour, which leaves out the last minutes, is
complete.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate
from random import Random

from sandbox.model import stable_hash
from sandbox.shopify.customers import Customers, early_in_hour
from sandbox.shopify.facts import Charge, Event, Line, Mark, MarkKind, Order, Reason, charge_for, taken_back
from sandbox.shopify.shops import Destination, Product, Shop, epoch

DAY, HOUR = 86_400, 3_600
LAST_CHANGE_DAYS = 62  # after its day, nothing happens to an order any more, except by hand
IMPORT_DAYS = 10  # the date of an imported order is at most this old
FIRST_ORDER, IDS_PER_DAY = 10_000_000, 1_000_000  # of the ids, from the shop's first one on
_HOURS = (1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 9, 9, 10, 9, 8, 8, 8, 9, 11, 13, 14, 12, 7, 3)
_RETURNS_WITHIN_DAYS = 120


class OrderDays:
    """Makes the orders of a shop's days (UTC)."""

    def __init__(self, seed: int, shop: Shop) -> None:
        self._seed = seed
        self.shop = shop
        self.customers = Customers(seed, shop)
        self._places = list(accumulate(place.weight for place in shop.destinations))
        self._hours = list(accumulate(_HOURS))
        self._products: tuple[tuple[Product, ...], list[float]] = ((), [])

    def orders(self, day: date) -> list[Order]:
        """Returns the orders that are created on the day, oldest first."""
        count = self.customers.orders_on(day)
        if not count:
            return []
        rng = Random(f"{self._seed}/{self.shop.domain}/{day.toordinal()}")
        start, index = epoch(day), (day - self.shop.opened).days
        self._know_products(start)
        hours = [start + HOUR * bisect(self._hours, rng.random() * self._hours[-1]) for _ in range(count)]
        times = sorted(early_in_hour(hour + rng.randrange(HOUR)) for hour in hours)
        fresh = self.customers.new_on(day)
        buyers = ["new"] * fresh + ["guest"] * (count * 6 // 100)
        buyers = (buyers + ["known"] * count)[:count]
        rng.shuffle(buyers)
        number = 0
        orders = []
        for position, (at, buyer) in enumerate(zip(times, buyers, strict=True)):
            id_ = self.shop.first_id + FIRST_ORDER + index * IDS_PER_DAY + 3 * position
            order = Order(self.shop, id_, f"#{index:04}-{position + 1:05}", at, at, self.shop.currency)
            if buyer == "new":
                order.customer_id = self.customers.id(day, number)
                number += 1
            elif buyer == "known":
                order.customer_id = self._known_customer(rng, day)
            self._fill(rng, order)
            orders.append(order)
        return orders

    def _know_products(self, at: int) -> None:
        sold = tuple(product for product in self.shop.products if product.created_at <= at)
        if sold != self._products[0]:
            self._products = (sold, list(accumulate(product.popularity for product in sold)))

    def _known_customer(self, rng: Random, day: date) -> int | None:
        back = 1 + int(rng.expovariate(1 / 35))
        then = day - timedelta(days=min(back, _RETURNS_WITHIN_DAYS))
        known = self.customers.new_on(then)
        pick = rng.random()
        return self.customers.id(then, int(pick * known)) if known else None

    def place_of(self, customer_id: int) -> Destination:
        """Returns the place that a customer always orders to."""
        return self._place(stable_hash(self._seed, customer_id, "place") % 10_000 / 10_000)

    def _place(self, share: float) -> Destination:
        return self.shop.destinations[bisect(self._places, share * self._places[-1])]

    def _fill(self, rng: Random, order: Order) -> None:
        at = order.created_at
        fate = self.customers.fate(order.customer_id)
        place = self._place(rng.random()) if order.customer_id is None else self.place_of(order.customer_id)
        if fate is not None and fate.at <= at:
            order.customer_id = fate.customer_id  # the merged account; None if the customer was forgotten
            fate = self.customers.fate(order.customer_id)
        kind = rng.random()
        order.ship = order.bill = place
        order.test = rng.random() < 0.006
        if kind < 0.02:  # a gift card arrives by email
            order.ship = None
        elif kind < 0.05:
            order.ship = order.bill = None
            order.source_name = "pos"
        elif kind < 0.06:
            order.source_name = "shopify_draft_order"
        elif kind < 0.065:
            order.processed_at = early_in_hour(at - rng.randrange(3 * DAY, IMPORT_DAYS * DAY))
            order.source_name = "580111"
        elif kind < 0.11:
            order.bill = self._place(rng.random())
        if place.country in ("GB", "CA") and rng.random() < 0.5:
            order.presentment = ("GBP", 0.86) if place.country == "GB" else ("CAD", 1.38)
        percent = rng.choice((10, 10, 15, 25)) if rng.random() < 0.18 else 0
        if percent:
            order.discount_codes = (f"HELLO{percent}",)
        charges = self._first_charges(rng, order, place, percent, gift_card_only=kind < 0.02)
        order.events.append(_event(order.processed_at, "ORDER", tuple(charges)))
        self._live(rng, order, place)
        if fate is not None:
            order.marks.append(Mark(fate.at, fate.kind, fate.customer_id))

    def _first_charges(
        self, rng: Random, order: Order, place: Destination, percent: int, *, gift_card_only: bool
    ) -> list[Charge]:
        charges = []
        if gift_card_only:
            card = Line(order.id * 100 + 1, "gift_card", "Gift Card", 1, rng.choice((2_500, 5_000, 10_000)))
            charges.append(self._charge(order, card, 0))
        elif order.source_name == "shopify_draft_order":
            custom = Line(order.id * 100 + 1, "custom", "Engraving", 1, 1_500 + 100 * rng.randrange(30))
            custom.tax_rate = place.tax_rate
            charges.append(self._charge(order, custom, 0))
        else:
            for number in range(1 + bisect((0.52, 0.8, 0.93), rng.random())):
                line = self._line(rng, order, number + 1, place)
                line.discount = line.unit_price * line.quantity * percent // 100
                charges.append(self._charge(order, line, line.discount))
            if rng.random() < 0.01:
                card = Line(order.id * 100 + 20, "gift_card", "Gift Card", 1, 5_000)
                charges.append(self._charge(order, card, 0))
        if rng.random() < 0.03:
            tip = Line(order.id * 100 + 21, "tip", "Tip", 1, rng.randrange(100, 1_000))
            charges.append(self._charge(order, tip, 0))
        if order.ship is not None:
            price = 490 if sum(charge.gross for charge in charges) < 7_500 else 0
            charges.append(_shipping(order, price, place))
            if order.presentment and order.presentment[0] == "CAD":
                charges.append(Charge("DUTY", "ORDER", 1_250))
            if rng.random() < 0.01:
                charges.append(Charge("ADDITIONAL_FEE", "ORDER", 350))
        return charges

    def _line(self, rng: Random, order: Order, number: int, place: Destination) -> Line:
        sold, weights = self._products
        product = sold[bisect(weights, rng.random() * weights[-1])]
        variant = product.variants[int(rng.random() * len(product.variants))]
        at = order.created_at
        price, title = product.price(variant, at), product.title(at)
        units = 1 + bisect((0.82, 0.95), rng.random())
        return Line(order.id * 100 + number, "product", title, units, price, variant, product.vendor, place.tax_rate)

    def _charge(self, order: Order, line: Line, discount: int) -> Charge:
        order.lines.append(line)
        return charge_for(line, quantity=line.quantity, discount=discount, taxes_included=order.shop.taxes_included)

    def _live(self, rng: Random, order: Order, place: Destination) -> None:
        """Adds the events and marks after the order's first instant."""
        at = order.created_at
        if order.source_name == "pos" or order.ship is None:
            order.marks += [_mark(at, "fulfilled"), _mark(at, "paid")]
        else:
            order.marks.append(_mark(at + rng.randrange(6 * HOUR, 72 * HOUR), "fulfilled"))
            late = rng.random() < 0.04
            order.marks.append(_mark(at + (rng.randrange(DAY, 3 * DAY) if late else 0), "paid"))
        if rng.random() < 0.05:
            order.marks.append(_mark(at + rng.randrange(HOUR, 50 * DAY), "touched"))
        fortune = rng.random()
        if fortune < 0.03:
            self._edit(rng, order, place, at + rng.randrange(HOUR, 20 * HOUR))
        elif fortune < 0.05:
            self._cancel(rng, order, at + rng.randrange(2 * HOUR, 40 * HOUR))
        if fortune < 0.01 or 0.05 <= fortune < 0.13:
            self._return(rng, order, at + rng.randrange(4 * DAY, 30 * DAY))

    def _edit(self, rng: Random, order: Order, place: Destination, at: int) -> None:
        choice, first = rng.random(), order.lines[0]
        if choice < 0.6 and first.kind == "product":
            line = self._line(rng, order, len(order.lines) + 30, place)
            line.added_at = at
            order.events.append(_event(at, "ORDER_EDIT", (self._charge(order, line, 0),)))
        elif choice < 0.85:
            order.events.append(_event(at, "ORDER_EDIT", returns(order, {first.id: 1})))
        elif first.kind == "product" and first.unit_price > 1_000:
            order.events.append(_event(at, "ORDER_EDIT", (discounted(order, first, 500),)))

    def _cancel(self, rng: Random, order: Order, at: int) -> None:
        everything = {line.id: line.quantity for line in order.lines}
        order.events.append(_event(at, "REFUND", returns(order, everything, shipping=True)))
        order.marks.append(_mark(at, "cancelled"))
        if rng.random() < 0.35:
            order.marks.append(_mark(at + 12 * DAY, "deleted"))

    def _return(self, rng: Random, order: Order, at: int) -> None:
        goods = [line for line in order.lines if line.kind in ("product", "custom") and line.added_at < at]
        if not goods:
            return
        line = goods[int(rng.random() * len(goods))]
        units = line.quantity if rng.random() < 0.7 else 1
        shipping = rng.random() < 0.1
        back = returns(order, {line.id: units}, shipping=shipping)
        if rng.random() < 0.7:
            kept = (Charge("ADJUSTMENT", "ORDER", 300),) if rng.random() < 0.05 else ()  # a fee for the return
            order.events.append(_event(at, "REFUND", back + kept))
        else:
            order.events.append(_event(at, "RETURN", back))
            order.events.append(_event(at + rng.randrange(DAY, 5 * DAY), "REFUND", ()))
        if rng.random() < 0.1:
            more = returns(order, {other.id: 1 for other in goods})
            if more:
                order.events.append(_event(at + rng.randrange(31 * DAY // 2, 31 * DAY), "REFUND", more))


def _event(at: int, reason: Reason, charges: tuple[Charge, ...]) -> Event:
    return Event(early_in_hour(at), reason, charges)


def _mark(at: int, kind: MarkKind) -> Mark:
    return Mark(early_in_hour(at), kind)


def returns(order: Order, units: dict[int, int], *, shipping: bool = False) -> tuple[Charge, ...]:
    """Returns the charges that take back units of lines, as far as they are still there.

    Args:
        order: The order.
        units: How many units, by the id of the line.
        shipping: True if the shipping costs are refunded too.
    """
    known = [charge for event in order.events for charge in event.charges]
    refunded = any(charge.line_type == "SHIPPING" and charge.action == "RETURN" for charge in known)
    found = []
    for charge in known:
        if charge.action != "ORDER":
            continue
        if charge.line is not None and charge.line.id in units:
            gone = sum(c.quantity or 0 for c in known if c.line is charge.line and c.action == "RETURN")
            wanted = min(units[charge.line.id], (charge.quantity or 0) - gone)
            if wanted > 0:
                found.append(taken_back(_as_discounted(charge, known), before=gone, units=wanted))
        elif shipping and charge.line_type == "SHIPPING" and charge.total and not refunded:
            found.append(Charge("SHIPPING", "RETURN", charge.gross, charge.discount, charge.tax))
    return tuple(found)


def _as_discounted(charge: Charge, known: list[Charge]) -> Charge:
    """The charge together with later discounts on its line: a return takes back what the buyer paid."""
    later = [c for c in known if c.line is charge.line and c.action == "UPDATE"]
    discount, tax = charge.discount + sum(c.discount for c in later), charge.tax + sum(c.tax for c in later)
    return replace(charge, discount=discount, tax=tax)


def discounted(order: Order, line: Line, amount: int) -> Charge:
    """Returns the charge for a discount that an edit gives on a line, in hundredths as the buyer sees it."""
    divisor = 10_000 + line.tax_rate
    if order.shop.taxes_included:
        tax = round(amount * line.tax_rate / divisor)
        return Charge("PRODUCT", "UPDATE", 0, amount - tax, -tax, line, 0)
    return Charge("PRODUCT", "UPDATE", 0, amount, -round(amount * line.tax_rate / 10_000), line, 0)


def _shipping(order: Order, price: int, place: Destination) -> Charge:
    line = Line(0, "custom", "", 1, price, tax_rate=place.tax_rate)
    charge = charge_for(line, quantity=1, discount=0, taxes_included=order.shop.taxes_included)
    return Charge("SHIPPING", "ORDER", charge.gross, 0, charge.tax)
