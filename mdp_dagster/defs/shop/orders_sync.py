"""The asset that syncs every shop into the operational store, each in its own transactions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from mdp_dagster.connectors.api_version import ApiVersion
from mdp_dagster.connectors.sources import Source
from mdp_dagster.defs.shop.night_alerts import alerts_metadata, as_utc, send_alerts
from mdp_dagster.defs.shop.shop_systems import ORDERS_SYNC, SHOP, SHOP_SYSTEMS, STORE, listed_shops
from mdp_dagster.defs.shop.sync_checks import check_results, check_specs
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert
from mdp_dagster.ingest.shop_night import SyncedShop, api_version, sync_night
from mdp_dagster.lake import LakeError
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.orchestration.domain import OWNERS
from mdp_dagster.orchestration.partitions import SINGLE_RUN
from mdp_dagster.orchestration.services import Services


def orders_sync_asset() -> dg.AssetsDefinition:
    """Returns the asset of the sync."""

    @dg.asset(
        key=ORDERS_SYNC,
        group_name=SHOP.group(STORE),
        tags=SHOP.tags(STORE),
        description=(
            "Reads everything that changed in each shop of the clients file since its last sync, into PostgreSQL "
            "(schema `shop`). The first sync reads the history month by month. A shop that fails does not stop the "
            "others: its earlier data stays, and the next sync continues where the last one ended. Then compares the "
            "numbers of orders with the shop's, and marks orders that were deleted there. Without shops, does nothing."
        ),
        check_specs=check_specs(),
        backfill_policy=SINGLE_RUN,  # Dagster refuses a backfill of `*` unless every asset in it can run as one run.
        required_resource_keys={"services"},
        owners=OWNERS,
        kinds={"python", "postgres"},
    )
    def orders_sync(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        services: Services = context.resources.services
        now = utc_now()
        shops = listed_shops(services.clients)
        sync_id = f"{now:%Y%m%dT%H%M%SZ}_{context.run.run_id[:8]}"
        synced, version = _sync_all(services, shops, sync_id)
        alerts = [alert for shop in synced for alert in shop.alerts]
        send_alerts(services, alerts, now)
        yield from check_results(synced, version, now)
        if synced and all(shop.failed for shop in synced):
            causes = "; ".join(str(alert) for alert in alerts)
            raise dg.Failure(f"No shop was synced. {causes}", metadata=alerts_metadata(alerts), allow_retries=False)
        yield dg.MaterializeResult(metadata={**_metadata(sync_id, synced), **alerts_metadata(alerts)})

    return orders_sync


def _sync_all(
    services: Services, shops: Mapping[str, Source], sync_id: str
) -> tuple[list[SyncedShop], ApiVersion | None]:
    """Syncs the shops of every shop system. A fault of the store or the lake is an alert of each shop too.

    Raises:
        dagster.Failure: The store or the lake can't be used.
    """
    synced: list[SyncedShop] = []
    version = None
    try:
        for system in SHOP_SYSTEMS:
            if domains := [domain for domain, its_system in shops.items() if its_system is system]:
                places = services.shop_stores(system)
                synced += sync_night(places, domains, sync_id, services.settings.parallel_accounts)
                version = version or api_version(places, synced)
    except (StoreError, LakeError) as error:
        message, _, remedy = str(error).partition(" → ")
        alerts = [ShopAlert(AlertCause.SYNC_FAILED, domain, message, remedy) for domain in shops]
        send_alerts(services, alerts, utc_now())
        raise dg.Failure(str(error), metadata=alerts_metadata(alerts), allow_retries=False) from error
    return synced, version


def _metadata(sync_id: str, synced: Sequence[SyncedShop]) -> dict[str, Any]:
    orders = (shop.total("documents") for shop in synced)
    rejected = sum(shop.total("rejected") for shop in synced)
    metadata: dict[str, Any] = {
        "summary": f"{len(synced)} shops, {sum(orders):,} orders read, {rejected} rejected",
        "sync_id": sync_id,
        "shops": len(synced),
        "failed": sum(shop.failed for shop in synced),
        "orders_read": sum(shop.total("documents") for shop in synced),
        "orders_new": sum(shop.total("new") for shop in synced),
        "orders_changed": sum(shop.total("changed") for shop in synced),
        "orders_rejected": rejected,
        "orders_deleted": sum(count.deleted for shop in synced for count in shop.counts),
    }
    if synced:
        metadata["by_shop"] = dg.MetadataValue.table([dg.TableRecord(_record(shop)) for shop in synced])
    return metadata


def _record(shop: SyncedShop) -> dict[str, str | int]:
    return {
        "shop": shop.domain,
        "synced": "no" if shop.failed else "yes",
        "complete_up_to": as_utc(shop.watermark) if shop.watermark else "never",
        "orders_read": shop.total("documents"),
        "new": shop.total("new"),
        "changed": shop.total("changed"),
        "rejected": shop.total("rejected"),
        "deleted": sum(count.deleted for count in shop.counts),
        "products_changed": shop.total("new", "products") + shop.total("changed", "products"),
        "customers_changed": shop.total("new", "customers") + shop.total("changed", "customers"),
    }
