"""The figures of the morning email, read from the marts: one set for each shop and currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from mdp_dagster.warehouse.base import MARTS, Warehouse

BAR_DAYS = 14
WEEKS = 4
TOP = 5
_ZERO = Decimal(0)


class Measure(NamedTuple):
    """A figure of the day, and the earlier ones that it is compared with; None where there is none."""

    value: Decimal | None
    week_before: Decimal | None
    usual: Decimal | None
    """The mean of the last four of the same weekday."""


class Ranked(NamedTuple):
    """A product or a country, with its net sales and its units or orders."""

    name: str | None
    revenue: Decimal
    quantity: int


@dataclass(frozen=True)
class ShopDay:
    """A day of a shop in one currency.

    Args:
        shop: The shop's domain.
        currency: The currency of all amounts.
        day: The day in the shop's time zone.
        revenue: Net sales.
        orders: The number of orders.
        basket: The average order value.
        returns: The amount of returns.
        return_share: The returns as a share of gross sales.
        guest_share: The share of orders without a customer's account.
        bars: The net sales of the last days, oldest first; None for days before the first sale.
        products: The best products.
        countries: The best countries.
        compared_weeks: The number of weeks behind ``usual``.
    """

    shop: str
    currency: str
    day: date
    revenue: Measure
    orders: Measure
    basket: Measure
    returns: Measure
    return_share: Decimal | None
    guest_share: Decimal | None
    bars: list[tuple[date, Decimal | None]]
    products: list[Ranked]
    countries: list[Ranked]
    compared_weeks: int


@dataclass(frozen=True)
class _Sums:
    """The sums of a day. A day without a row has zeros."""

    revenue: Decimal = _ZERO
    orders: Decimal = _ZERO
    placed: Decimal = _ZERO
    gross: Decimal = _ZERO
    returns: Decimal = _ZERO
    guests: Decimal = _ZERO


def shop_days(warehouse: Warehouse, days: Mapping[str, date]) -> dict[str, list[ShopDay]]:
    """Returns the figures of each shop's day, by shop, the currency with the largest sales first.

    Args:
        warehouse: The warehouse.
        days: The day of each shop, by domain.
    """
    found: dict[str, list[ShopDay]] = {shop: [] for shop in days}
    if not days:
        return found
    firsts = _first_days(warehouse, days)
    products = _ranked(warehouse, days, "kpis_produit", "produit", "unites_vendues", "produit_id")
    countries = _ranked(warehouse, days, "ventes_geographiques", "pays", "commandes", "pays_code")
    for (shop, currency), by_day in _daily(warehouse, days).items():
        of_day = _shop_day((shop, currency), days[shop], firsts[shop, currency], by_day)
        of_day.products.extend(products.get((shop, currency), []))
        of_day.countries.extend(countries.get((shop, currency), []))
        found[shop].append(of_day)
    for of_shop in found.values():
        of_shop.sort(key=lambda day: (-sum((value or _ZERO for _, value in day.bars), _ZERO), day.currency))
    return found


def _daily(warehouse: Warehouse, days: Mapping[str, date]) -> dict[tuple[str, str], dict[date, _Sums]]:
    """Returns the sums by shop, currency and day; only currencies with sales in the compared days."""
    first = min(days.values()) - timedelta(weeks=WEEKS)
    sql = f"""
        select boutique, devise, jour, ca_net, commandes, ca_des_commandes, ca_brut, retours, commandes_invites
        from {MARTS}.mart_shop__daily
        where jour >= date '{first}' and jour <= date '{max(days.values())}' and boutique in ({_names(days)})
        """
    sums: dict[tuple[str, str], dict[date, _Sums]] = {}
    for row in warehouse.query(sql, _parameters(days)).to_pylist():
        if row["jour"] <= days[row["boutique"]]:
            values = [row[name] for name in ("ca_net", "commandes", "ca_des_commandes", "ca_brut", "retours")]
            of_day = _Sums(*(Decimal(value) for value in [*values, row["commandes_invites"]]))
            sums.setdefault((row["boutique"], row["devise"]), {})[row["jour"]] = of_day
    return sums


def _first_days(warehouse: Warehouse, days: Mapping[str, date]) -> dict[tuple[str, str], date]:
    """Returns the first day with sales, by shop and currency. Earlier days are not days without sales."""
    sql = f"""
        select boutique, devise, min(jour) as first_day from {MARTS}.mart_shop__daily
        where boutique in ({_names(days)}) group by boutique, devise
        """
    rows = warehouse.query(sql, _parameters(days)).to_pylist()
    return {(row["boutique"], row["devise"]): row["first_day"] for row in rows}


def _shop_day(key: tuple[str, str], day: date, first: date, by_day: Mapping[date, _Sums]) -> ShopDay:
    def of(other: date) -> _Sums | None:
        return by_day.get(other, _Sums()) if other >= first else None

    now = of(day) or _Sums()
    weeks = [sums for n in range(1, WEEKS + 1) if (sums := of(day - timedelta(weeks=n))) is not None]
    before = of(day - timedelta(weeks=1))

    def measure(name: str) -> Measure:
        usual = sum((getattr(week, name) for week in weeks), _ZERO) / len(weeks) if weeks else None
        return Measure(getattr(now, name), None if before is None else getattr(before, name), usual)

    placed, orders = sum((week.placed for week in weeks), _ZERO), sum((week.orders for week in weeks), _ZERO)
    return ShopDay(
        shop=key[0],
        currency=key[1],
        day=day,
        revenue=measure("revenue"),
        orders=measure("orders"),
        basket=Measure(
            _share(now.placed, now.orders),
            None if before is None else _share(before.placed, before.orders),
            _share(placed, orders),
        ),
        returns=measure("returns"),
        return_share=_share(now.returns, now.gross),
        guest_share=_share(now.guests, now.orders),
        bars=[
            (other, None if (sums := of(other)) is None else sums.revenue)
            for other in (day - timedelta(days=n) for n in range(BAR_DAYS - 1, -1, -1))
        ],
        products=[],
        countries=[],
        compared_weeks=len(weeks),
    )


def _ranked(
    warehouse: Warehouse, days: Mapping[str, date], mart: str, name: str, count: str, key: str
) -> dict[tuple[str, str], list[Ranked]]:
    """Returns the rows of each shop's day with the most net sales, by shop and currency."""
    of_days = " or ".join(f"(boutique = ${_name(n)} and jour = date '{day}')" for n, day in enumerate(days.values()))
    sql = f"""
        select boutique, devise, name, revenue, amount
        from (
            select
                boutique, devise, max({name}) as name, sum(ca_net) as revenue, cast(sum({count}) as bigint) as amount,
                row_number() over (
                    partition by boutique, devise order by sum(ca_net) desc, coalesce(cast({key} as string), '')
                ) as place
            from {MARTS}.{mart}
            where {of_days}
            group by boutique, devise, {key}
        ) as ranked
        where place <= {TOP} and revenue > 0
        order by boutique, devise, place
        """
    found: dict[tuple[str, str], list[Ranked]] = {}
    for row in warehouse.query(sql, _parameters(days)).to_pylist():
        ranked = Ranked(row["name"], Decimal(row["revenue"]), int(row["amount"]))
        found.setdefault((row["boutique"], row["devise"]), []).append(ranked)
    return found


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None


def _name(number: int) -> str:
    return f"shop_{number}"


def _names(shops: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(f"${_name(n)}" for n in range(len(shops)))


def _parameters(shops: Mapping[str, Any]) -> dict[str, str]:
    return {_name(n): shop for n, shop in enumerate(shops)}
