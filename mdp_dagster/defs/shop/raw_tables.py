"""The raw tables of the shops: one extract by change for all of them, from the operational store."""

from collections.abc import Iterator, Sequence

import dagster as dg

from mdp_dagster.defs.shop.night_alerts import alerts_of_last_sync
from mdp_dagster.defs.shop.shop_systems import ORDERS_SYNC, SHOP, listed_shops
from mdp_dagster.ingest.feed_landing import FeedExtract
from mdp_dagster.ingest.feed_tables import feed_tables
from mdp_dagster.ingest.feeds import FeedError, FeedRun, ingest_changes
from mdp_dagster.operational.shop_reports import FEEDS
from mdp_dagster.orchestration.domain import RAW
from mdp_dagster.orchestration.partitions import SINGLE_RUN
from mdp_dagster.orchestration.services import Services
from mdp_dagster.orchestration.shared_table_assets import table_asset

_TRIES = 2


def raw_tables_asset() -> dg.AssetsDefinition:
    """Returns the assets of the raw tables. Every run of one of them extracts all, in one commit."""
    tables = {part.table: part.name for feed in FEEDS for part in feed.parts}
    specs = [
        table_asset(table, SHOP, RAW).replace_attributes(deps=[ORDERS_SYNC])
        for table in feed_tables(FEEDS)
        if table.name in tables
    ]

    @dg.multi_asset(
        name="raw_shop",
        specs=specs,
        can_subset=True,
        backfill_policy=SINGLE_RUN,  # Dagster refuses a backfill of `*` unless every asset in it can run as one run.
        required_resource_keys={"services"},
    )
    def raw_shop(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        services: Services = context.resources.services
        held_back = {alert.shop for alert in alerts_of_last_sync(context.instance)}
        shops = [domain for domain in listed_shops(services.clients) if domain not in held_back]
        extracts = _extract(services, shops, context.run.run_id)
        for key in sorted(context.selected_asset_keys):
            name = tables[key.to_user_string()]
            rows = sum(part.row_count for extract in extracts for part in extract.parts if part.report == name)
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "rows": rows,
                    "shops": len(shops),
                    "held_back": ", ".join(sorted(held_back)) or "none",
                    "extract_run_id": extracts[0].extract_run_id if extracts else "nothing changed",
                },
            )

    return raw_shop


def _extract(services: Services, shops: Sequence[str], run_id: str) -> list[FeedExtract]:
    """Extracts what changed in the shops. Without shops, only makes the tables, and needs no PostgreSQL."""
    with services.warehouse.session():
        services.prepare_raw()
    if not shops:
        return []
    from mdp_dagster.operational.changes import StoreChanges  # imported lazily: only shops need the driver

    source = StoreChanges(services.shop_store.address)
    run = FeedRun(services.lake, services.warehouse, run_id)
    for _ in range(_TRIES - 1):
        try:
            return ingest_changes(source, FEEDS, shops, run)
        except FeedError:  # another run has extracted the same changes: there is nothing, or less, left to do
            continue
    return ingest_changes(source, FEEDS, shops, run)
