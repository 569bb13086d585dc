"""The number of a shop's orders and new customers by day, the customers' ids, and what happens to some of them.

A few customers are merged into another account, and a few are forgotten at their request. Both change the customer of
orders that already exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from sandbox.behaviour import demand
from sandbox.model import stable_hash
from sandbox.shopify.shops import Shop, epoch

_NEW_PERCENT = 45  # of a day's orders are the first of a customer
_IDS_PER_DAY = 1_000_000
_IDS_APART = 3
_MERGED_ONE_IN, _REDACTED_ONE_IN = 241, 251
_QUIET_SECONDS = 360
MERGED_AFTER_DAYS, _REDACTED_AFTER_DAYS = 19, 24


def early_in_hour(at: int) -> int:
    """Returns an instant that is not in the last six minutes of an hour: the same one, or six minutes earlier."""
    return at - _QUIET_SECONDS if at % 3_600 >= 3_600 - _QUIET_SECONDS else at


@dataclass(frozen=True, slots=True)
class Fate:
    """The end of a customer. ``customer_id`` is the account that takes over the orders; None if there is none."""

    at: int
    kind: Literal["merged", "redacted"]
    customer_id: int | None = None


class Customers:
    """The customers of a shop. All of it follows from the seed and the shop."""

    def __init__(self, seed: int, shop: Shop) -> None:
        self._seed = seed
        self._shop = shop
        self._counts: dict[date, int] = {}

    def orders_on(self, day: date) -> int:
        """Returns how many orders the shop gets on a day (UTC)."""
        known = self._counts.get(day)
        if known is None:
            noise = 0.85 + stable_hash(self._seed, self._shop.domain, day, "orders") % 1000 / 3_300
            known = max(1, round(self._shop.orders_per_day * demand(day) * noise)) if day >= self._shop.opened else 0
            self._counts[day] = known
        return known

    def new_on(self, day: date) -> int:
        """Returns how many customers place their first order on a day (UTC)."""
        orders = self.orders_on(day)
        return max(1, orders * _NEW_PERCENT // 100) if orders else 0

    def id(self, day: date, number: int) -> int:
        """Returns the id of a day's new customer."""
        return self._shop.first_id + 700 + (day - self._shop.opened).days * _IDS_PER_DAY + _IDS_APART * number

    def first_day(self, customer_id: int) -> date | None:
        """Returns the day of a customer's first order; None for an id that the shop doesn't give out."""
        index, offset = divmod(customer_id - self._shop.first_id - 700, _IDS_PER_DAY)
        day = self._shop.opened + timedelta(days=index) if 0 <= index < 40_000 else None
        if day is None or offset % _IDS_APART or offset // _IDS_APART >= self.new_on(day):
            return None
        return day

    def fate(self, customer_id: int | None) -> Fate | None:
        """Returns what happens to a customer; None for most."""
        if customer_id is None or not (kind := self._kind(customer_id)):
            return None
        day = self.first_day(customer_id)
        if day is None:
            return None
        offset = early_in_hour(3_600 * 6 + customer_id // _IDS_APART * 7_919 % (3_600 * 12))
        if kind == "redacted":
            return Fate(epoch(day + timedelta(days=_REDACTED_AFTER_DAYS)) + offset, kind)
        for other in (customer_id + _IDS_APART, customer_id - _IDS_APART):
            if self.first_day(other) == day and not self._kind(other):
                return Fate(epoch(day + timedelta(days=MERGED_AFTER_DAYS)) + offset, "merged", other)
        return None

    def _kind(self, customer_id: int) -> Literal["merged", "redacted", ""]:
        number = stable_hash(self._seed, self._shop.domain, customer_id, "fate")
        if number % _MERGED_ONE_IN == 0:
            return "merged"
        return "redacted" if number % _REDACTED_ONE_IN == 0 else ""
