"""A shop's own totals: the figures that its own reports show, for a comparison with MDP's."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple


class ShopDayTotals(NamedTuple):
    """The shop's own totals of one day in its own time zone, in its currency of today.

    Amounts are decimal text. Discounts and returns are negative, as in the shop's reports.
    """

    day: date
    gross_sales: str
    discounts: str
    returns: str
    net_sales: str
    """Gross sales with discounts and returns."""
    shipping: str
    taxes: str
    total_sales: str
