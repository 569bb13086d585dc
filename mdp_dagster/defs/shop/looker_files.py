"""The four files for Looker Studio: their columns, in French, and how they are read from the marts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mdp_dagster.delivery.csv_files import Batches, CsvFile, months_of
from mdp_dagster.warehouse.base import MARTS, Warehouse

DAYS_BY_DAY = 90
"""Products are listed by day for at least this number of days. Months before are exported as one row each."""

KPIS_PRODUIT = (
    "jour", "boutique", "produit_id", "produit", "fournisseur", "devise", "commandes", "unites_vendues",
    "unites_retournees", "ca_brut", "remises", "retours", "ca_net", "taxes", "prix_moyen", "taux_retour", "part_ca",
)  # fmt: skip
VENTES_GEOGRAPHIQUES = (
    "jour", "boutique", "pays_code", "pays", "region_code", "devise", "commandes", "clients", "nouveaux_clients",
    "unites", "ca_brut", "remises", "retours", "ca_net", "livraison", "taxes", "ca_total", "panier_moyen",
)  # fmt: skip
LTV_COHORTS = (
    "boutique", "devise", "cohorte", "mois", "clients_cohorte", "clients_actifs", "commandes", "ca_net",
    "ca_net_cumule", "ltv", "retention", "mois_complet",
)  # fmt: skip
PRODUITS_PREMIUM = (
    "boutique", "produit_id", "produit", "devise", "prix_moyen", "seuil_prix", "unites_90j", "ca_net_90j",
    "part_ca_90j", "taux_retour_90j", "rang",
)  # fmt: skip

_COUNTS = ("commandes", "unites_vendues", "unites_retournees")
_AMOUNTS = ("ca_brut", "remises", "retours", "ca_net", "taxes")


def looker_files(today: date, months: Mapping[str, date]) -> list[CsvFile]:
    """Returns the files.

    Args:
        today: The date of the export. It decides which products' months are complete and old.
        months: The first day of the current month in each shop's time zone, by the shop's domain.
    """
    daily_from = first_daily(today)
    return [
        CsvFile(
            "kpis_produit",
            KPIS_PRODUIT,
            lambda warehouse: warehouse.batches(kpis_sql(daily_from, warehouse.double_type)),
            "devise",
            _AMOUNTS,
            {"daily_from": daily_from.isoformat()},
        ),
        CsvFile(
            "ventes_geographiques",
            VENTES_GEOGRAPHIQUES,
            _reads(
                f"select {', '.join(VENTES_GEOGRAPHIQUES)} from {MARTS}.ventes_geographiques "
                "order by jour, boutique, devise, pays_code, coalesce(region_code, '')"
            ),
            "devise",
            ("ca_brut", "remises", "retours", "ca_net", "livraison", "taxes", "ca_total"),
        ),
        CsvFile("ltv_cohorts", LTV_COHORTS, _reads_cohorts(months), "devise", ("ca_net",)),
        CsvFile(
            "produits_premium",
            PRODUITS_PREMIUM,
            _reads(
                f"select {', '.join(PRODUITS_PREMIUM)} from {MARTS}.produits_premium order by boutique, devise, rang"
            ),
            "devise",
            ("ca_net_90j",),
        ),
    ]


def first_daily(today: date) -> date:
    """Returns the first day that is listed by day: the first of a month, so that no month is split."""
    return (today - timedelta(days=DAYS_BY_DAY)).replace(day=1)


def kpis_sql(daily_from: date, double: str) -> str:
    """Returns the SQL of kpis_produit: rows by day, and one row for each month before, with its first day as `jour`.

    Args:
        daily_from: The first day that is listed by day.
        double: The engine's name of 64-bit floating point.
    """
    month = months_of("jour")
    keys = ("boutique", "produit_id", "produit", "fournisseur", "devise")
    sums = [f"cast(sum({name}) as bigint) as {name}" for name in _COUNTS]
    sums += [f"sum({name}) as {name}" for name in _AMOUNTS]
    return f"""
        with months as (
            select {month} as month, {", ".join(keys)}, {", ".join(sums)}
            from {MARTS}.kpis_produit
            where jour < date '{daily_from}'
            group by {month}, {", ".join(keys)}
        ),
        export as (
            select {", ".join(KPIS_PRODUIT)} from {MARTS}.kpis_produit where jour >= date '{daily_from}'
            union all
            select
                month as jour, {", ".join((*keys, *_COUNTS, *_AMOUNTS))},
                {_ratio("ca_brut - remises", "unites_vendues", double)} as prix_moyen,
                {_ratio("unites_retournees", "unites_vendues", double)} as taux_retour,
                {_ratio("ca_net", "sum(ca_net) over (partition by month, boutique, devise)", double)} as part_ca
            from months
        )
        select {", ".join(KPIS_PRODUIT)} from export order by jour, boutique, devise, coalesce(produit_id, 0)
        """


def _ratio(numerator: str, denominator: str, double: str) -> str:
    """The SQL of a ratio as a double, as in the models: amounts have four decimals, so the products are whole."""
    return f"cast(10000 * ({numerator}) as {double}) / nullif(cast(10000 * ({denominator}) as {double}), 0)"


def _reads(sql: str) -> Callable[[Warehouse], AbstractContextManager[Batches]]:
    return lambda warehouse: warehouse.batches(sql)


def _reads_cohorts(months: Mapping[str, date]) -> Callable[[Warehouse], AbstractContextManager[Batches]]:
    sql = f"select {', '.join(LTV_COHORTS)} from {MARTS}.ltv_cohorts order by boutique, devise, cohorte, mois"

    @contextmanager
    def read(warehouse: Warehouse) -> Iterator[Batches]:
        yield with_empty_months(warehouse.query(sql), months).to_batches()

    return read


def with_empty_months(cohorts: pa.Table, months: Mapping[str, date]) -> pa.Table:
    """Returns the cohorts with a row for each month up to the current one. The mart has only months with sales.

    Args:
        cohorts: The mart, sorted by shop, currency, cohort and month.
        months: The first day of the current month by shop.
    """
    groups: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for row in cohorts.to_pylist():
        groups.setdefault((row["boutique"], row["devise"], row["cohorte"]), {})[row["mois"]] = row
    rows: list[dict[str, Any]] = []
    for (shop, _, cohort), known in groups.items():
        rows += _every_month(known, _months_between(cohort, months.get(shop, cohort)))
    return pa.Table.from_pylist(rows, cohorts.schema)


def _every_month(known: Mapping[int, dict[str, Any]], current: int) -> Iterator[dict[str, Any]]:
    first = next(iter(known.values()))
    total, value = Decimal(0), 0.0
    for month in range(min(0, *known), max(current, *known) + 1):  # an import may be dated after its sales
        row = known.get(month) or {
            **first,
            "mois": month,
            "clients_actifs": 0,
            "commandes": 0,
            "ca_net": Decimal(0),
            "ca_net_cumule": total,
            "ltv": value,
            "retention": 0.0,
            "mois_complet": month < current,
        }
        total, value = row["ca_net_cumule"], row["ltv"]
        yield row


def _months_between(first: date, last: date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month
