"""Changes of a shop by hand, for tests: refunds, edits, deletions, merges, new orders, other facts of the shop.

A change happens at an instant, by default now. From that instant on, an order has only the changes that are made by
hand, so a test can list all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

from sandbox.shopify.facts import Charge, Event, Line, Mark, Order, charge_for
from sandbox.shopify.order_days import discounted, returns
from sandbox.shopify.shop_world import ShopWorld
from sandbox.shopify.shops import Destination, Product, Variant
from sandbox.world import instant

_ADDED_IDS = 9_000_000  # below the ids of the shop's own orders
_KEPT = ("merged", "redacted")


class Edits:
    """The changes that can be made to a shop by hand."""

    def __init__(self, world: ShopWorld) -> None:
        self._world = world

    def by_name(self) -> dict[str, Callable[..., Any]]:
        """Returns the changes by their names, for the sandbox's control address."""
        names = (
            "refund", "add_item", "remove_items", "discount", "cancel", "delete", "touch", "set_customer",
            "merge_customers", "redact_customer", "add_order", "rename_product", "change_currency", "change_time_zone",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    # --- one order

    def refund(
        self,
        order_id: int,
        units: Mapping[int, int] | None = None,
        *,
        shipping: bool = False,
        adjustment: int = 0,
        reason: str = "REFUND",
        at: datetime | str | None = None,
    ) -> None:
        """Takes units back, by the id of the line; without ``units`` everything that is left.

        Args:
            order_id: The order.
            units: The units, by the id of the line.
            shipping: True if the shipping costs are refunded too.
            adjustment: A fee that the shop keeps, in hundredths.
            reason: REFUND, or RETURN for goods that come back before the money does.
            at: The instant.
        """
        order, moment = self._open(order_id, at)
        wanted = {line.id: line.quantity for line in order.lines} if units is None else _whole(units)
        charges = returns(order, wanted, shipping=shipping)
        if adjustment:
            charges += (Charge("ADJUSTMENT", "ORDER", adjustment),)
        order.events.append(Event(moment, "RETURN" if reason == "RETURN" else "REFUND", charges))
        self._keep(order)

    def add_item(self, order_id: int, variant_id: int, quantity: int = 1, *, at: datetime | str | None = None) -> int:
        """Adds an item to an order and returns the id of its line."""
        order, moment = self._open(order_id, at)
        line = self._line(order, variant_id, quantity, moment)
        line.added_at = moment
        charge = self._charge(order, line, 0)
        order.events.append(Event(moment, "ORDER_EDIT", (charge,)))
        self._keep(order)
        return line.id

    def remove_items(self, order_id: int, units: Mapping[int, int], *, at: datetime | str | None = None) -> None:
        """Removes units from an order, by the id of the line."""
        order, moment = self._open(order_id, at)
        order.events.append(Event(moment, "ORDER_EDIT", returns(order, _whole(units))))
        self._keep(order)

    def discount(self, order_id: int, line_id: int, amount: int, *, at: datetime | str | None = None) -> None:
        """Gives a discount on a line, in hundredths as the buyer sees it."""
        order, moment = self._open(order_id, at)
        line = next(line for line in order.lines if line.id == int(line_id))
        order.events.append(Event(moment, "ORDER_EDIT", (discounted(order, line, amount),)))
        self._keep(order)

    def cancel(self, order_id: int, *, at: datetime | str | None = None) -> None:
        """Cancels an order and refunds it."""
        order, moment = self._open(order_id, at)
        everything = {line.id: line.quantity for line in order.lines}
        order.events.append(Event(moment, "REFUND", returns(order, everything, shipping=True)))
        order.marks.append(Mark(moment, "cancelled"))
        self._keep(order)

    def delete(self, order_id: int, *, at: datetime | str | None = None) -> None:
        """Deletes an order: it disappears."""
        self._mark(order_id, Mark(self._moment(at), "deleted"))

    def touch(self, order_id: int, *, at: datetime | str | None = None) -> None:
        """Changes nothing but the instant of the last change, as a new tag does."""
        self._mark(order_id, Mark(self._moment(at), "touched"))

    def set_customer(self, order_id: int, customer_id: int | None, *, at: datetime | str | None = None) -> None:
        """Gives an order to another customer, or to none."""
        mark = Mark(self._moment(at), "merged", customer_id) if customer_id else Mark(self._moment(at), "redacted")
        self._mark(order_id, mark)

    # --- customers

    def merge_customers(self, customer_id: int, into: int, *, at: datetime | str | None = None) -> list[int]:
        """Merges a customer into another one, and returns the ids of the orders that this changes."""
        return self._end_customer(customer_id, Mark(self._moment(at), "merged", into))

    def redact_customer(self, customer_id: int, *, at: datetime | str | None = None) -> list[int]:
        """Forgets a customer, and returns the ids of the orders that this changes."""
        return self._end_customer(customer_id, Mark(self._moment(at), "redacted"))

    def _end_customer(self, customer_id: int, mark: Mark) -> list[int]:
        changed = []
        with self._world.lock:
            self._world.ended_customers[customer_id] = mark.at, mark.customer_id
        first, last = self._world.shop.opened.toordinal(), _day(mark.at).toordinal()
        for ordinal in range(first, last + 1):
            for order in self._world.orders_of(date.fromordinal(ordinal)):
                state = order.at(mark.at)
                if state is not None and state.customer_id == customer_id:
                    self._mark(order.id, mark)
                    changed.append(order.id)
        return changed

    # --- the shop

    def add_order(
        self,
        items: Sequence[tuple[int, int]],
        *,
        customer_id: int | None = None,
        country: str | None = None,
        discount_percent: int = 0,
        test: bool = False,
        processed_at: datetime | str | None = None,
        at: datetime | str | None = None,
    ) -> int:
        """Adds an order and returns its id.

        Args:
            items: Pairs of variant id and quantity.
            customer_id: The customer; None for a guest.
            country: The country of both addresses; None for an order without an address.
            discount_percent: A discount on all items.
            test: True for a test order.
            processed_at: The order's own date, if it is imported.
            at: The instant at which it is created.
        """
        world, moment = self._world, self._moment(at)
        with world.lock:
            id_ = world.shop.first_id + _ADDED_IDS + len(world.added)
            processed = moment if processed_at is None else self._moment(processed_at)
            order = Order(world.shop, id_, f"#A{len(world.added) + 1:04}", moment, processed, world.currency(moment))
            order.customer_id, order.test = customer_id, test
            order.ship = order.bill = self._place(country)
            charges = []
            for variant_id, quantity in items:
                line = self._line(order, variant_id, quantity, moment)
                line.discount = line.unit_price * line.quantity * discount_percent // 100
                charges.append(self._charge(order, line, line.discount))
            order.events.append(Event(processed, "ORDER", tuple(charges)))
            order.marks += [Mark(moment, "paid")]
            world.added[id_] = order
            world.edited_days.setdefault(_day(moment), set()).add(id_)
            return id_

    def rename_product(self, product_id: int, title: str, *, at: datetime | str | None = None) -> None:
        """Gives a product another title."""
        world = self._world
        with world.lock:
            product = self._product(product_id)
            titles = (*product.titles, (self._moment(at), title))
            world.edited_products[product.id] = replace(product, titles=titles)

    def change_currency(self, currency: str, *, at: datetime | str | None = None) -> None:
        """Gives the orders from an instant on another currency."""
        with self._world.lock:
            self._world.currencies.append((self._moment(at), currency))
            self._world.currencies.sort()

    def change_time_zone(self, time_zone: str) -> None:
        """Gives the shop another time zone."""
        with self._world.lock:
            self._world.zone_name = time_zone

    # --- helpers

    def _moment(self, at: datetime | str | None) -> int:
        if at is None:
            return self._world.now
        return int((instant(at) if isinstance(at, str) else at).timestamp())

    def _open(self, order_id: int, at: datetime | str | None) -> tuple[Order, int]:
        """A copy of the order without the changes that would still happen to it, and the instant of the new change."""
        moment = self._moment(at)
        order = self._world.order(int(order_id))
        if order is None or order.at(moment) is None:
            raise ValueError(f"no order {order_id} in {self._world.shop.domain}")
        changed = order.copy()
        changed.events = [event for event in order.events if event.at <= moment]
        changed.marks = [mark for mark in order.marks if mark.at <= moment or mark.kind in _KEPT]
        return changed, moment

    def _mark(self, order_id: int, mark: Mark) -> None:
        order, _ = self._open(order_id, datetime.fromtimestamp(mark.at, timezone.utc))
        kept = [m for m in order.marks if m.at <= mark.at or mark.kind not in _KEPT]
        order.marks = sorted([*kept, mark], key=lambda each: each.at)
        self._keep(order)

    def _keep(self, order: Order) -> None:
        world = self._world
        with world.lock:
            (world.added if order.id in world.added else world.edited)[order.id] = order
            world.edited_days.setdefault(_day(order.created_at), set()).add(order.id)

    def _product(self, product_id: int) -> Product:
        world = self._world
        for product in world.shop.products:
            if product.id == int(product_id):
                return world.edited_products.get(product.id, product)
        raise ValueError(f"no product {product_id} in {world.shop.domain}")

    def _line(self, order: Order, variant_id: int, quantity: int, at: int) -> Line:
        product, variant = self._variant(variant_id)
        number = len(order.lines) + (1 if order.created_at == at and not order.events else 50)
        rate = order.ship.tax_rate if order.ship else 0
        return Line(
            order.id * 100 + number, "product", product.title(at), quantity, product.price(variant, at), variant,
            product.vendor, rate,
        )  # fmt: skip

    def _charge(self, order: Order, line: Line, discount: int) -> Charge:
        order.lines.append(line)
        included = order.shop.taxes_included
        return charge_for(line, quantity=line.quantity, discount=discount, taxes_included=included)

    def _variant(self, variant_id: int) -> tuple[Product, Variant]:
        for product in self._world.shop.products:
            for variant in product.variants:
                if variant.id == int(variant_id):
                    return self._product(product.id), variant
        raise ValueError(f"no variant {variant_id} in {self._world.shop.domain}")

    def _place(self, country: str | None) -> Destination | None:
        if country is None:
            return None
        known = [place for place in self._world.shop.destinations if place.country == country]
        return known[0] if known else Destination(country, None, "", "", 0, 0)


def _whole(units: Mapping[int, int]) -> dict[int, int]:
    """The units with whole numbers as keys: JSON has only texts."""
    return {int(line_id): int(number) for line_id, number in units.items()}


def _day(at: int) -> date:
    return datetime.fromtimestamp(at, timezone.utc).date()
