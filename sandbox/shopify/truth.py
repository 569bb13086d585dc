"""The figures that MDP must show for a shop, computed from the facts by the definitions of the business.

It is a second implementation, in plain Python, and it never sees the API's format. Amounts are Decimals with two places
in the order's currency, and amounts of different currencies are never added. Rates are exact fractions. Days and months
are those of the shop's time zone. Test orders and deleted orders don't count.

Definitions that need words:

- ``ca_brut`` and ``remises`` are those of products that were sold (ORDER and UPDATE), ``retours`` those of products
  that were taken back, on the day on which it happened. ``ca_net`` is ``ca_brut - remises - retours``.
- ``commandes`` counts the orders that sold a product when they were placed. ``panier_moyen`` is the net amount of just
  these sales per order, so an edit or a return doesn't change it.
- A customer's first order is the one with the lowest ``processedAt``, then the lowest id. It may be one without a
  product.
- A place is the shipping address, else the billing address, else ``ZZ``.
- ``taxes`` is the tax of products in the table by product, and all tax in the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from sandbox.shopify.facts import Charge, Event, OrderState
from sandbox.shopify.filters import Search
from sandbox.shopify.sales_sums import Row, Sums, amount, figures, money_columns, ratio
from sandbox.shopify.shop_world import ShopWorld


class Truth:
    """The figures of one shop, as they are now.

    Args:
        world: The shop.
        changed_since: Only orders that were changed at this instant or later count: those that a sync with this start
            date sees. None for all orders.
        deletions_until: Orders that were deleted at this instant or later still count: those of which MDP hasn't
            noticed the deletion. None if it has noticed all.
    """

    def __init__(
        self, world: ShopWorld, changed_since: datetime | None = None, deletions_until: datetime | None = None
    ) -> None:
        self._world = world
        search = Search()
        if changed_since is not None:
            search.updated_at.start = int(changed_since.timestamp())
        kept = int(deletions_until.timestamp()) if deletions_until is not None else None
        self._states = [state for state in world.states(search, deleted_since=kept) if not state.order.test]
        self._first = self._first_orders()
        self._days: dict[int, date] = {}

    def _first_orders(self) -> dict[int, OrderState]:
        first: dict[int, OrderState] = {}
        for state in self._states:
            if state.customer_id is not None:
                known = first.get(state.customer_id)
                if known is None or _age(state) < _age(known):
                    first[state.customer_id] = state
        return first

    def shop_daily(self, start: date, end: date) -> list[Row]:
        """Returns the figures by day and currency, for start <= day < end."""
        sums: dict[tuple[date, str], Sums] = defaultdict(Sums)
        for state, event, charge, day in self._charges(start, end):
            self._add(sums[day, state.order.currency], state, event, charge, day)
        return [
            {"jour": day, "boutique": self._world.shop.domain, "devise": currency, **figures(found)}
            for (day, currency), found in sorted(sums.items())
        ]

    def product_daily(self, start: date, end: date) -> list[Row]:
        """Returns the figures by day, product and currency. A custom item has no product: its id is None."""
        sums: dict[tuple[date, int | None, str], Sums] = defaultdict(Sums)
        for state, event, charge, day in self._charges(start, end):
            if charge.line_type == "PRODUCT":
                self._add(sums[day, _product_id(charge), state.order.currency], state, event, charge, day)
        of_day: dict[tuple[date, str], int] = defaultdict(int)
        for (day, _, currency), found in sums.items():
            of_day[day, currency] += found.net
        return [
            {
                "jour": day,
                "boutique": self._world.shop.domain,
                **self._product(product_id),
                "devise": currency,
                "commandes": len(found.orders),
                "unites_vendues": found.sold,
                "unites_retournees": found.returned,
                **money_columns(found),
                "taxes": amount(found.product_taxes),
                "prix_moyen": ratio(found.gross - found.discounts, 100 * found.sold),
                "taux_retour": ratio(found.returned, found.sold),
                "part_ca": ratio(found.net, of_day[day, currency]),
            }
            for (day, product_id, currency), found in sorted(sums.items(), key=_by_text)
        ]

    def geo_daily(self, start: date, end: date) -> list[Row]:
        """Returns the figures by day, country, region and currency."""
        sums: dict[tuple[date, str, str | None, str], Sums] = defaultdict(Sums)
        for state, event, charge, day in self._charges(start, end):
            place = state.order.ship or state.order.bill
            country, region = (place.country, place.province) if place else ("ZZ", None)
            self._add(sums[day, country, region, state.order.currency], state, event, charge, day)
        return [
            {
                "jour": day,
                "boutique": self._world.shop.domain,
                "pays_code": country,
                "region_code": region,
                "devise": currency,
                **figures(found),
            }
            for (day, country, region, currency), found in sorted(sums.items(), key=_by_text)
        ]

    def cohorts(self) -> list[Row]:
        """Returns the cohorts by month of the first order, months since then, and currency; no row without activity.

        ``clients_cohorte`` counts the customers of the cohort in all currencies.
        """
        size: dict[date, int] = defaultdict(int)
        for state in self._first.values():
            size[self._month(state.order.processed_at)] += 1
        net: dict[tuple[date, str, int], int] = defaultdict(int)
        active: dict[tuple[date, str, int], set[int]] = defaultdict(set)
        orders: dict[tuple[date, str, int], set[int]] = defaultdict(set)
        for state, event, charge, day in self._charges(date.min, date.max):
            if state.customer_id is None or charge.line_type != "PRODUCT":
                continue
            cohort = self._month(self._first[state.customer_id].order.processed_at)
            months = (day.year - cohort.year) * 12 + day.month - cohort.month
            key = cohort, state.order.currency, months
            net[key] += charge.sign * charge.net
            if event.reason == "ORDER":
                active[key].add(state.customer_id)
                orders[key].add(state.order.id)
        this_month, so_far = self.today.replace(day=1), dict[tuple[date, str], int]()
        rows = []
        for cohort, currency, months in sorted(net):
            so_far[cohort, currency] = so_far.get((cohort, currency), 0) + net[cohort, currency, months]
            month = cohort.year * 12 + cohort.month - 1 + months
            rows.append(
                {
                    "boutique": self._world.shop.domain,
                    "devise": currency,
                    "cohorte": cohort,
                    "mois": months,
                    "clients_cohorte": size[cohort],
                    "clients_actifs": len(active[cohort, currency, months]),
                    "commandes": len(orders[cohort, currency, months]),
                    "ca_net": amount(net[cohort, currency, months]),
                    "ca_net_cumule": amount(so_far[cohort, currency]),
                    "ltv": ratio(so_far[cohort, currency], 100 * size[cohort]),
                    "retention": ratio(len(active[cohort, currency, months]), size[cohort]),
                    "mois_complet": date(month // 12, month % 12 + 1, 1) < this_month,
                }
            )
        return rows

    def premium_products(
        self, last_day: date | None = None, *, days: int = 90, least_units: int = 10, percentile: Fraction | None = None
    ) -> list[Row]:
        """Returns the products with an average net price in the top quartile of the shop's products, by currency.

        The threshold is the lowest price that is at least as high as three quarters of the prices.

        Args:
            last_day: The last day of the period; None for yesterday.
            days: The length of the period.
            least_units: Products that sold fewer units don't count.
            percentile: The share of the prices below the threshold; None for three quarters.
        """
        last_day = last_day or self.today - timedelta(days=1)
        sums: dict[tuple[str, int], Sums] = defaultdict(Sums)
        for state, event, charge, _ in self._charges(last_day - timedelta(days=days - 1), last_day + timedelta(days=1)):
            product_id = _product_id(charge)
            if charge.line_type == "PRODUCT" and product_id is not None:
                sums[state.order.currency, product_id].add(event, charge)
        rows: list[Row] = []
        for currency in sorted({currency for currency, _ in sums}):
            own = {id_: found for (of, id_), found in sums.items() if of == currency}
            rows += self._premium(currency, own, least_units, percentile or Fraction(3, 4))
        return rows

    def _premium(self, currency: str, sums: dict[int, Sums], least_units: int, percentile: Fraction) -> Iterator[Row]:
        prices = {
            id_: Fraction(found.gross - found.discounts, 100 * found.sold)
            for id_, found in sums.items()
            if found.sold >= least_units
        }
        if not prices:
            return
        ranked = sorted(prices.values())
        threshold = ranked[-(-percentile * len(ranked) // 1) - 1]
        whole = sum(found.net for found in sums.values())
        chosen = [id_ for id_, price in prices.items() if price >= threshold]
        for rank, id_ in enumerate(sorted(chosen, key=lambda each: (-sums[each].net, each)), 1):
            found = sums[id_]
            named = self._product(id_)
            yield {
                "boutique": self._world.shop.domain,
                "produit_id": id_,
                "produit": named["produit"],
                "devise": currency,
                "prix_moyen": prices[id_],
                "seuil_prix": threshold,
                "unites_90j": found.sold,
                "ca_net_90j": amount(found.net),
                "part_ca_90j": ratio(found.net, whole),
                "taux_retour_90j": ratio(found.returned, found.sold),
                "rang": rank,
            }

    @property
    def today(self) -> date:
        """Today in the shop's time zone."""
        return self._day(self._world.now)

    def _charges(self, start: date, end: date) -> Iterator[tuple[OrderState, Event, Charge, date]]:
        """The charges of the days start <= day < end."""
        for state in self._states:
            for event in state.events:
                day = self._day(event.at)
                if start <= day < end:
                    for charge in event.charges:
                        yield state, event, charge, day

    def _add(self, sums: Sums, state: OrderState, event: Event, charge: Charge, day: date) -> None:
        sums.add(event, charge)
        if charge.line_type != "PRODUCT" or event.reason != "ORDER":
            return
        sums.orders.add(state.order.id)
        if state.customer_id is None:
            sums.guests.add(state.order.id)
            return
        sums.customers.add(state.customer_id)
        if self._first[state.customer_id] is state:
            sums.new_customers.add(state.customer_id)

    def _product(self, product_id: int | None) -> Row:
        known = next((p for p in self._world.products() if p.id == product_id), None)
        return {
            "produit_id": product_id,
            "produit": known.title(self._world.now) if known else None,
            "fournisseur": known.vendor if known else None,
        }

    def _day(self, at: int) -> date:
        day = self._days.get(at)
        if day is None:
            day = self._days[at] = datetime.fromtimestamp(at, self._world.zone).date()
        return day

    def _month(self, at: int) -> date:
        return self._day(at).replace(day=1)


def _age(state: OrderState) -> tuple[int, int]:
    return state.order.processed_at, state.order.id


def _product_id(charge: Charge) -> int | None:
    return charge.line.variant.product_id if charge.line is not None and charge.line.variant is not None else None


def _by_text(item: tuple[Iterable[Any], Any]) -> list[str]:
    """A key to sort by that allows None."""
    return [str(part) for part in item[0]]
