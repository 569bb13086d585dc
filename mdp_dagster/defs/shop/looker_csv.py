"""The asset that publishes the files for Looker Studio, and its checks."""

from typing import Any

import dagster as dg

from mdp_dagster.defs.shop.looker_files import looker_files
from mdp_dagster.defs.shop.shop_calendar import shops_of
from mdp_dagster.defs.shop.shop_systems import SHOP, listed_shops
from mdp_dagster.delivery.publication import Published, faults_of_publication, publish
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.orchestration.domain import OWNERS
from mdp_dagster.orchestration.partitions import SINGLE_RUN
from mdp_dagster.orchestration.services import Services

DELIVERY = "delivery"
LOOKER_CSV = "looker_csv"
CSV_SIZE = "csv_size"
CSV_PUBLISHED = "csv_published"
SETTING = "MDP_LOOKER_URI"

EXPORTED_MARTS = ("kpis_produit", "ventes_geographiques", "ltv_cohorts", "produits_premium")
MOST_BYTES = 100_000_000


def looker_csv_asset() -> dg.AssetsDefinition:
    """Returns the asset."""

    @dg.asset(
        name=LOOKER_CSV,
        deps=list(EXPORTED_MARTS),
        group_name=SHOP.group(DELIVERY),
        tags=SHOP.tags(DELIVERY),
        description=(
            "Publishes kpis_produit.csv, ventes_geographiques.csv, ltv_cohorts.csv and produits_premium.csv for Looker "
            f"Studio ({SETTING}), each in its own folder, and manifest.json last. All files are replaced together, "
            "after they were read back. Nothing is published if a blocking check of the models failed. Without shops, "
            "does nothing."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                CSV_SIZE,
                asset=LOOKER_CSV,
                description=f"Each file has less than {MOST_BYTES // 1_000_000} MB, which Looker Studio reads.",
            ),
            dg.AssetCheckSpec(
                CSV_PUBLISHED,
                asset=LOOKER_CSV,
                description="The published files are those of this run: they match the manifest.",
            ),
        ],
        backfill_policy=SINGLE_RUN,
        required_resource_keys={"services"},
        owners=OWNERS,
        kinds={"python", "csv"},
    )
    def looker_csv(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        services: Services = context.resources.services
        if not listed_shops(services.clients):
            return dg.MaterializeResult(
                metadata={"files": 0},
                check_results=[
                    dg.AssetCheckResult(check_name=name, passed=True, metadata={"files": 0})
                    for name in (CSV_SIZE, CSV_PUBLISHED)
                ],
            )
        now = utc_now()
        place = services.place(services.settings.looker_address, SETTING)
        with services.warehouse.exclusive():  # so that all files are of the same build
            months = {domain: shop.month(now) for domain, shop in shops_of(services.warehouse).items()}
            published = publish(looker_files(now.date(), months), services.warehouse, place, context.run.run_id, now)
        faults = faults_of_publication(place, context.run.run_id)
        return dg.MaterializeResult(
            metadata=_metadata(published),
            check_results=[
                _size_result(published),
                dg.AssetCheckResult(
                    check_name=CSV_PUBLISHED,
                    passed=not faults,
                    metadata={
                        "place": place.uri,
                        "published_at": published.manifest["published_at"],
                        **({"faults": "; ".join(faults)} if faults else {}),
                    },
                ),
            ],
        )

    return looker_csv


def _metadata(published: Published) -> dict[str, Any]:
    records = [
        dg.TableRecord(
            {
                "file": f"{name}.csv",
                "rows": facts["rows"],
                "bytes": facts["bytes"],
                "address": published.addresses[name],
            }
        )
        for name, facts in published.manifest["files"].items()
    ]
    return {
        "files": len(records),
        "rows": sum(facts["rows"] for facts in published.manifest["files"].values()),
        "published": dg.MetadataValue.table(records),
        "manifest": dg.MetadataValue.json(published.manifest),
        **{name: _link(address) for name, address in published.addresses.items()},
    }


def _link(address: str) -> dg.MetadataValue:
    """A link to the object in Google's console, or the path of a local file."""
    if address.startswith("gs://"):
        path = address.removeprefix("gs://")
        return dg.MetadataValue.url(f"https://console.cloud.google.com/storage/browser/_details/{path}")
    return dg.MetadataValue.path(address)


def _size_result(published: Published) -> dg.AssetCheckResult:
    sizes = {name: facts["bytes"] for name, facts in published.manifest["files"].items()}
    return dg.AssetCheckResult(
        check_name=CSV_SIZE,
        passed=all(size < MOST_BYTES for size in sizes.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"limit": MOST_BYTES, **{f"{name}_bytes": size for name, size in sizes.items()}},
    )
