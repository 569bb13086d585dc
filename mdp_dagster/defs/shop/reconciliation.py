"""The check that MDP's totals of each day are the shop's own."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from mdp_dagster.connectors.errors import ConnectorError
from mdp_dagster.connectors.shop_totals import ShopDayTotals
from mdp_dagster.connectors.sources import Source
from mdp_dagster.defs.shop.night_alerts import alerts_of_last_sync
from mdp_dagster.defs.shop.shop_systems import DAILY_MART, listed_shops
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.operational.store_figures import ShopState, StoreFigures
from mdp_dagster.orchestration.services import Services
from mdp_dagster.warehouse.base import MARTS

RECONCILES = "reconciles_with_shopifyql"
_DAYS = 14
_TOLERANCE = Decimal("0.01")

# The mart's column, the shop's own figure, and the factor between them: the shop shows what reduces sales as negative.
_PAIRS = (
    ("ca_brut", "gross_sales", 1),
    ("remises", "discounts", -1),
    ("retours", "returns", -1),
    ("ca_net", "net_sales", 1),
    ("livraison", "shipping", 1),
    ("taxes", "taxes", 1),
)


def reconciliation_check() -> dg.AssetChecksDefinition:
    """Returns the check."""

    @dg.asset_check(
        name=RECONCILES,
        asset=DAILY_MART,
        description=(
            f"Gross sales, discounts, returns, net sales, shipping and taxes of the last {_DAYS} complete days are "
            "those of the shop's own report, to the cent. Only warns. A shop that does not permit its reports is left "
            "out."
        ),
        required_resource_keys={"services"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        services: Services = context.resources.services
        held_back = {alert.shop for alert in alerts_of_last_sync(context.instance)}
        shops = {shop: system for shop, system in listed_shops(services.clients).items() if shop not in held_back}
        states = StoreFigures(services.shop_store.address).shops() if shops else {}
        differences: list[dict[str, Any]] = []
        notes: dict[str, str] = {}
        for domain, system in shops.items():
            if domain in states:
                try:
                    differences += _differences(services, system, states[domain])
                except _NotComparedError as reason:
                    notes[domain] = str(reason)
        return dg.AssetCheckResult(
            passed=not differences,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "shops": len(shops) - len(notes),
                "differences": len(differences),
                "not_compared": "; ".join(f"{domain}: {text}" for domain, text in notes.items()) or "none",
                **(
                    {"days": dg.MetadataValue.table([dg.TableRecord(record) for record in differences])}
                    if differences
                    else {}
                ),
            },
        )

    return check


class _NotComparedError(Exception):
    """The shop's own totals are not available. The message is the reason."""


def _differences(services: Services, system: Source, shop: ShopState) -> list[dict[str, Any]]:
    last = utc_now().astimezone(ZoneInfo(shop.time_zone)).date() - timedelta(days=1)
    first = last - timedelta(days=_DAYS - 1)
    if shop.first_change is not None:  # earlier days may have orders that did not change since
        first = max(first, shop.first_change.astimezone(ZoneInfo(shop.time_zone)).date() + timedelta(days=1))
    if first > last:
        raise _NotComparedError("no complete day yet")
    totals = _shop_totals(system, shop.domain, first, last)
    ours = _mart(services, shop, first, last)
    found = []
    for day in sorted({*totals, *ours}):
        for column, figure, factor in _PAIRS:
            theirs = factor * Decimal(getattr(totals[day], figure)) if day in totals else Decimal(0)
            mine = ours.get(day, {}).get(column, Decimal(0))
            if abs(theirs - mine) > _TOLERANCE:
                found.append(
                    {
                        "shop": shop.domain,
                        "day": day.isoformat(),
                        "figure": column,
                        "mdp": str(mine),
                        "shop_report": str(theirs),
                        "difference": str(mine - theirs),
                    }
                )
    return found


def _shop_totals(system: Source, domain: str, first: date, last: date) -> dict[date, ShopDayTotals]:
    if system.shop is None:
        raise _NotComparedError("no access")
    try:
        totals = system.shop.open(domain).day_totals(first, last)
    except ConnectorError as error:
        raise _NotComparedError(str(error)) from error
    if totals is None:
        raise _NotComparedError("the app lacks the optional scope for reports")
    return {total.day: total for total in totals}


def _mart(services: Services, shop: ShopState, first: date, last: date) -> dict[date, dict[str, Decimal]]:
    """Returns the mart's figures by day. A shop that has changed its currency has no single total of such a day."""
    columns = ", ".join(f"sum({column}) as {column}" for column, _, _ in _PAIRS)
    rows = services.warehouse.query(
        f"""
        select jour, count(distinct devise) as currencies, {columns}
        from {MARTS}.{DAILY_MART}
        where shop_id = {shop.shop_id} and jour between date '{first}' and date '{last}'
        group by jour
        """
    ).to_pylist()
    if any(row["currencies"] > 1 for row in rows):
        raise _NotComparedError("days with several currencies")
    return {row["jour"]: {column: Decimal(row[column]) for column, _, _ in _PAIRS} for row in rows}
