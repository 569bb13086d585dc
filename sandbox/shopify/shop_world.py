"""One shop as it looks at a given instant: its orders, products and customers.

All of it follows from (seed, shop, now). Edits by hand come on top, see `edits.py`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from sandbox.shopify.customers import MERGED_AFTER_DAYS
from sandbox.shopify.facts import Customer, Order, OrderState
from sandbox.shopify.filters import Search
from sandbox.shopify.order_days import DAY, FIRST_ORDER, IDS_PER_DAY, IMPORT_DAYS, LAST_CHANGE_DAYS, OrderDays
from sandbox.shopify.shops import Product, Shop

_KEEP_ORDERS = 120_000  # some 250 MB


class ShopWorld:
    """A shop's facts. Safe to use from several threads.

    Args:
        shop: The shop.
        seed: The seed of the world.
        clock: Returns the world's instant.
    """

    def __init__(self, shop: Shop, seed: int, clock: Callable[[], datetime]) -> None:
        self.shop = shop
        self.lock = threading.RLock()
        self._clock = clock
        self._days = OrderDays(seed, shop)
        self.customers_of_shop = self._days.customers
        self._known: OrderedDict[date, list[Order]] = OrderedDict()
        self._kept = 0
        self._firsts: dict[date, dict[int, int]] = {}
        self.forget_edits()

    def forget_edits(self) -> None:
        """Undoes everything that was changed by hand."""
        with self.lock:
            self.edited: dict[int, Order] = {}
            self.added: dict[int, Order] = {}
            self.edited_days: dict[date, set[int]] = {}
            self.edited_products: dict[int, Product] = {}
            self.ended_customers: dict[int, tuple[int, int | None]] = {}
            """By hand: the instant of the end by the customer's id, and the customer that takes over."""
            self.currencies: list[tuple[int, str]] = []
            self.zone_name = self.shop.time_zone

    # --- the shop

    @property
    def now(self) -> int:
        """The world's instant in epoch seconds."""
        return int(self._clock().timestamp())

    @property
    def zone(self) -> ZoneInfo:
        """The shop's time zone."""
        return ZoneInfo(self.zone_name)

    def currency(self, at: int) -> str:
        """Returns the shop's currency at an instant."""
        return next((currency for since, currency in reversed(self.currencies) if since <= at), self.shop.currency)

    # --- orders

    def orders_of(self, day: date) -> list[Order]:
        """Returns all orders that are created on a day (UTC), also those that the clock hasn't reached."""
        with self.lock:
            orders = self._known.get(day)
            if orders is None:
                orders = self._known[day] = self._days.orders(day)
                self._kept += len(orders)
                while self._kept > _KEEP_ORDERS and len(self._known) > 1:
                    self._kept -= len(self._known.popitem(last=False)[1])
            else:
                self._known.move_to_end(day)
            changed = self.edited_days.get(day)
            if changed:
                orders = [self.edited.get(order.id, order) for order in orders]
                orders += [self.added[id_] for id_ in sorted(changed) if id_ in self.added]
        if self.currencies:
            orders = [self._in_its_currency(order) for order in orders]
        return orders

    def _in_its_currency(self, order: Order) -> Order:
        currency = self.currency(order.created_at)
        if currency == order.currency:
            return order
        other = order.copy()
        other.currency = currency
        return other

    def order(self, order_id: int) -> Order | None:
        """Returns an order by its id, also one that the clock hasn't reached; None if there is none."""
        with self.lock:
            if order_id in self.added:
                return self.added[order_id]
        index = (order_id - self.shop.first_id - FIRST_ORDER) // IDS_PER_DAY
        if not 0 <= index <= (_day(self.now) - self.shop.opened).days:
            return None
        day = self.shop.opened + timedelta(days=index)
        return next((order for order in self.orders_of(day) if order.id == order_id), None)

    def states(
        self, search: Search, *, lag: int = 0, visible_since: int | None = None, deleted_since: int | None = None
    ) -> Iterator[OrderState]:
        """Yields the orders that match, as they are now, in the order of their creation.

        Args:
            search: The filter.
            lag: By how many seconds the search index is behind.
            visible_since: Orders that were created earlier are hidden.
            deleted_since: Orders that were deleted at this instant or later are there too, as they were before.
        """
        now = self.now
        for day in self._days_of(search, now):
            for order in self.orders_of(day):
                if order.created_at > now or (visible_since is not None and order.created_at < visible_since):
                    continue
                deleted = order.deleted_at if deleted_since is not None else None
                if deleted is not None and deleted_since is not None and deleted_since <= deleted <= now:
                    last = order.at(deleted - 1)
                    if last is not None and search.matches(last):
                        yield last
                    continue
                indexed = order.at(now - lag)
                if indexed is None or not search.matches(indexed):
                    continue
                state = indexed if not lag else order.at(now)
                if state is not None:
                    yield state

    def _days_of(self, search: Search, now: int) -> list[date]:
        """The days (UTC) on which matching orders can have been created."""
        first, last = self.shop.opened, _day(now)
        created, processed, updated = search.created_at, search.processed_at, search.updated_at
        starts = [created.start, processed.start]
        ends = [created.end, updated.end, None if processed.end is None else processed.end + IMPORT_DAYS * DAY]
        first = max([first, *(_day(start) for start in starts if start is not None)])
        last = min([last, *(_day(end) for end in ends if end is not None)])
        days = {date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)}
        if updated.start is not None:
            oldest = _day(updated.start) - timedelta(days=LAST_CHANGE_DAYS)
            with self.lock:
                by_hand = set(self.edited_days)
            days = {day for day in days if day >= oldest or day in by_hand}
        return sorted(days)

    # --- products

    def products(self) -> list[Product]:
        """Returns the products that exist now."""
        with self.lock:
            current = [self.edited_products.get(product.id, product) for product in self.shop.products]
        return [product for product in current if product.created_at <= self.now]

    # --- customers

    def customers(self, since: int | None = None) -> list[Customer]:
        """Returns the customers that were changed at an instant or after it, by id. Without an instant: all."""
        now = self.now
        first = self.shop.opened if since is None else max(self.shop.opened, _day(since))
        found: dict[int, Customer] = {}
        for ordinal in range(first.toordinal(), _day(now).toordinal() + 1):
            for order in self.orders_of(date.fromordinal(ordinal)):
                state = order.at(now) if order.created_at <= now else None
                # A deleted order leaves its customer.
                customer_id = order.customer_id if state is None else state.customer_id
                if customer_id is not None and order.created_at <= now:
                    self._note(found, customer_id, order.created_at)
        for ordinal in range(first.toordinal() - MERGED_AFTER_DAYS - 1, _day(now).toordinal() + 1):
            self._note_merges(found, date.fromordinal(ordinal), now)
        gone = {id_ for id_ in found if (fate := self.customers_of_shop.fate(id_)) is not None and fate.at <= now}
        with self.lock:
            ended = {id_: end for id_, end in self.ended_customers.items() if end[0] <= now}
        for at, into in ended.values():
            if into is not None:
                self._note(found, into, at)
        gone |= set(ended)
        return [c for _, c in sorted(found.items()) if c.id not in gone and (since is None or c.updated_at >= since)]

    def _note(self, found: dict[int, Customer], customer_id: int, at: int) -> None:
        known = found.get(customer_id)
        if known is None:
            place = self._days.place_of(customer_id)
            found[customer_id] = Customer(customer_id, self._created_at(customer_id, at), at, place.country)
        else:
            known.updated_at = max(known.updated_at, at)

    def _created_at(self, customer_id: int, at: int) -> int:
        """A customer exists since its first order."""
        day = self.customers_of_shop.first_day(customer_id)
        if day is None or day >= _day(at):
            return at
        with self.lock:
            if day not in self._firsts:
                orders = reversed(self.orders_of(day))
                self._firsts[day] = {o.customer_id: o.created_at for o in orders if o.customer_id is not None}
            return self._firsts[day].get(customer_id, at)

    def _note_merges(self, found: dict[int, Customer], day: date, now: int) -> None:
        for number in range(self.customers_of_shop.new_on(day)):
            fate = self.customers_of_shop.fate(self.customers_of_shop.id(day, number))
            if fate is not None and fate.customer_id is not None and fate.at <= now:
                self._note(found, fate.customer_id, fate.at)


def _day(at: int) -> date:
    return datetime.fromtimestamp(at, timezone.utc).date()
