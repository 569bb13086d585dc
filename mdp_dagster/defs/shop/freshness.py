"""The check that the figures of every shop are of yesterday, in each run and once more at 08:00."""

from datetime import datetime, time, timezone
from zoneinfo import ZoneInfo

import dagster as dg

from mdp_dagster.defs.shop.night_alerts import as_utc, send_alerts
from mdp_dagster.defs.shop.shop_systems import DAILY_MART, listed_shops
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.feed_tables import FEEDS
from mdp_dagster.ingest.feeds import FeedLedger
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert
from mdp_dagster.operational.shop_reports import ORDERS
from mdp_dagster.operational.store_figures import ShopState, StoreFigures
from mdp_dagster.orchestration.services import Services

FRESH = "fresh_by_08"
FRESHNESS_JOB = "shop_freshness"
_REMEDY = "see the newest run of shop_daily, correct its cause, then run the job again"


def fresh_check() -> dg.AssetChecksDefinition:
    """Returns the check."""

    @dg.asset_check(
        name=FRESH,
        asset=DAILY_MART,
        description=(
            "The figures of every shop include all of yesterday, in the shop's own time zone. Checked in each run, and "
            "at 08:00 in MDP_SHOP_TIMEZONE by the job shop_freshness, which sends an alert."
        ),
        required_resource_keys={"services"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        services: Services = context.resources.services
        now = utc_now()
        stale = _stale_shops(services, context.instance, now)
        if context.run.job_name == FRESHNESS_JOB:
            alerts = [ShopAlert(AlertCause.NOT_PUBLISHED, shop, text, _REMEDY) for shop, text in stale.items()]
            send_alerts(services, alerts, now)
        records = [
            dg.TableRecord({"account_id": shop, "name": "stale", "failure": f"{text} → {_REMEDY}"})
            for shop, text in stale.items()
        ]
        return dg.AssetCheckResult(
            passed=not stale,
            metadata={
                "shops": len(listed_shops(services.clients)),
                "failed": len(stale),
                **({"failures": dg.MetadataValue.table(records)} if records else {}),
            },
        )

    return check


def _stale_shops(services: Services, instance: dg.DagsterInstance, now: datetime) -> dict[str, str]:
    """Returns why the figures of a shop are old, by domain."""
    shops = listed_shops(services.clients)
    if not shops:
        return {}
    states = StoreFigures(services.shop_store.address).shops()
    with services.warehouse.session():
        services.prepare_raw()
        ledger = FeedLedger(services.warehouse)
        extracts = services.warehouse.query(
            f"select account_id, max(extracted_at) as newest from {FEEDS.id} where report = '{ORDERS.name}' group by 1"
        ).to_pylist()
    newest = {row["account_id"]: row["newest"].replace(tzinfo=timezone.utc) for row in extracts}
    event = instance.get_latest_materialization_event(dg.AssetKey(DAILY_MART))
    built_at = datetime.fromtimestamp(event.timestamp, timezone.utc) if event else None
    found = {}
    for domain in shops:
        text = _stale(states.get(domain), now)
        if text is None and ledger.cursor(ORDERS, domain) < states[domain].newest_change:
            text = "the newest orders are in PostgreSQL, but not in raw"
        if text is None and domain in newest and (built_at is None or built_at < newest[domain]):
            text = f"the marts were not built after the extract of {as_utc(newest[domain])}"
        if text is not None:
            found[domain] = text
    return found


def _stale(shop: ShopState | None, now: datetime) -> str | None:
    if shop is None or shop.watermark is None:
        return "no sync has succeeded yet"
    zone = ZoneInfo(shop.time_zone)
    today = datetime.combine(now.astimezone(zone).date(), time(), zone)
    return None if shop.watermark >= today else f"orders are complete only up to {as_utc(shop.watermark)}"
