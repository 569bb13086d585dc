"""The checks of a sync, evaluated by it: all shops synced, few rejects, equal numbers of orders, nothing missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from mdp_dagster.connectors.api_version import ApiVersion
from mdp_dagster.defs.shop.shop_systems import ORDERS_SYNC
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert
from mdp_dagster.ingest.shop_night import SyncedShop
from mdp_dagster.operational.reject_rules import MAX_REJECTED_SHARE

ALL_SHOPS = "all_shops_synced"
REJECT_RATE = "reject_rate"
COUNTS = "counts_match_shopify"
MISSING = "missing_data"
API_VERSION = "api_version_supported"

_NOT_SYNCED = (AlertCause.SYNC_FAILED, AlertCause.TOO_MANY_REJECTS)
_MISSING = (AlertCause.SYNC_FAILED, AlertCause.NO_ORDERS, AlertCause.COUNT_DIFFERS, AlertCause.WATERMARK_STOPPED)
_SUNSET_NOTICE = timedelta(days=90)


def check_specs() -> list[dg.AssetCheckSpec]:
    """Returns the checks of the sync. None of them stops the shops that are not concerned."""
    descriptions = {
        ALL_SHOPS: "Every shop of the clients file was synced. A shop that fails does not stop the others.",
        REJECT_RATE: (
            f"At most {MAX_REJECTED_SHARE:.0%} of a shop's documents are rejected. Otherwise nothing of the shop's "
            "night is committed. The metadata has the reasons and some of the rejected rows; the table shop.rejects in "
            "PostgreSQL has all of them."
        ),
        COUNTS: (
            "The store has as many orders of each day (UTC) as the shop counts: the last seven days every night, each "
            "earlier day once a week. Deleted orders are marked. Rejected orders, and those that changed after the "
            "sync's window, are taken into account."
        ),
        MISSING: (
            "No data is missing: no sync failed, the numbers of orders match, no day is without orders where the "
            "median of the same weekday over 8 weeks is 20 or more, and the shop's watermark moved in the last 26 "
            "hours. Until the cause is gone, raw, marts and exports keep the shop's earlier data."
        ),
        API_VERSION: f"The shop system supports the requested version of its API for {_SUNSET_NOTICE.days} more days.",
    }
    return [dg.AssetCheckSpec(name, asset=ORDERS_SYNC, description=text) for name, text in descriptions.items()]


def check_results(
    synced: Sequence[SyncedShop], version: ApiVersion | None, now: datetime
) -> Iterator[dg.AssetCheckResult]:
    """Yields the results of the checks.

    Args:
        synced: The night of each shop.
        version: The requested version of the API; None if no shop answered.
        now: The time of the night.
    """
    alerts = [alert for shop in synced for alert in shop.alerts]
    failures = [alert for alert in alerts if alert.cause in _NOT_SYNCED]
    yield _result(
        ALL_SHOPS,
        not failures,
        {"shops": len(synced), "failed": sum(shop.failed for shop in synced)},
        failures=[_failure(alert) for alert in failures],
    )
    refused = [alert for alert in alerts if alert.cause is AlertCause.TOO_MANY_REJECTS]
    yield _result(
        REJECT_RATE,
        not refused,
        {"rejected": sum(share.rejected for shop in synced for share in shop.shares.values())},
        failures=[_failure(alert) for alert in refused],
        by_report=[_share(shop, report) for shop in synced for report in shop.shares],
        rejects=[{"shop": shop.domain, **reject._asdict()} for shop in synced for reject in shop.rejects],
    )
    differing = [alert for alert in alerts if alert.cause is AlertCause.COUNT_DIFFERS]
    yield _result(
        COUNTS,
        not differing,
        {
            "days_compared": sum(shop.counted_days for shop in synced),
            "days_with_deleted_orders": sum(count.deleted > 0 for shop in synced for count in shop.counts),
        },
        failures=[_failure(alert) for alert in differing],
        days=[_count(shop.domain, count) for shop in synced for count in shop.counts],
    )
    missing = [alert for alert in alerts if alert.cause in _MISSING]
    yield _result(
        MISSING,
        not missing,
        {"shops": len(synced), "causes": ", ".join(sorted({alert.cause.value for alert in missing})) or "none"},
        failures=[_failure(alert) for alert in missing],
    )
    yield _api_version(version, now)


def _api_version(version: ApiVersion | None, now: datetime) -> dg.AssetCheckResult:
    if version is None:
        return _result(API_VERSION, True, {"version": "no shop was asked"})
    left = version.supported_until - now.date()
    remedy = "" if version.is_supported and left > _SUNSET_NOTICE else "install a newer release of MDP"
    return _result(
        API_VERSION,
        not remedy,
        {
            "version": version.name,
            "supported_now": version.is_supported,
            "supported_until": version.supported_until.isoformat(),
            **({"remedy": remedy} if remedy else {}),
        },
        severity=dg.AssetCheckSeverity.WARN,
    )


def _result(
    name: str,
    passed: bool,
    metadata: dict[str, Any],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    **tables: Sequence[dict[str, Any]],
) -> dg.AssetCheckResult:
    shown = {
        table: dg.MetadataValue.table([dg.TableRecord(record) for record in records])
        for table, records in tables.items()
        if records
    }
    return dg.AssetCheckResult(
        asset_key=ORDERS_SYNC, check_name=name, passed=passed, severity=severity, metadata={**metadata, **shown}
    )


def _failure(alert: ShopAlert) -> dict[str, Any]:
    return {
        "account_id": alert.shop,
        "name": alert.cause.value,
        "failure": f"{alert.text} → {alert.remedy}",
    }


def _share(shop: SyncedShop, report: Any) -> dict[str, Any]:
    share = shop.shares[report]
    return {
        "shop": shop.domain,
        "report": report,
        "documents": share.documents,
        "rejected": share.rejected,
        "share": round(share.rejected / share.documents, 4) if share.documents else 0.0,
        "reasons": "; ".join(f"{reason} ({count} rows)" for reason, count in share.reasons),
    }


def _count(domain: str, count: Any) -> dict[str, Any]:
    return {
        "shop": domain,
        "day": count.day.isoformat(),
        "in_store": count.in_store,
        "at_shop": count.at_shop,
        "deleted": count.deleted,
        "found": count.found,
        "rejected": count.rejected,
        "left_to_the_next_sync": count.pending,
    }
