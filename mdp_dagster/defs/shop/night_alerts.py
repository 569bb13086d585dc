"""The alerts of a night: where they are kept, and what happens with them."""

import json
import logging
from collections.abc import Iterable
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import dagster as dg

from mdp_dagster.defs.shop.shop_mails import HASTY, alert_mails, send_mails
from mdp_dagster.defs.shop.shop_systems import ORDERS_SYNC, listed_shops
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert, dump_alerts, load_alerts
from mdp_dagster.orchestration.services import Services

log = logging.getLogger(__name__)

_METADATA = "alerts"


def alerts_metadata(alerts: Iterable[ShopAlert]) -> dict[str, dg.MetadataValue]:
    """Returns the metadata of the sync that keeps the alerts for later steps and later runs."""
    return {_METADATA: dg.MetadataValue.json(json.loads(dump_alerts(alerts)))}


def alerts_of_last_sync(instance: dg.DagsterInstance) -> list[ShopAlert]:
    """Returns the alerts of the newest sync. Its shops are held back: raw does not receive their changes."""
    event = instance.get_latest_materialization_event(ORDERS_SYNC)
    materialization = event.asset_materialization if event else None
    kept = materialization.metadata.get(_METADATA) if materialization else None
    return load_alerts(json.dumps(kept.value)) if kept else []


def send_alerts(services: Services, alerts: Iterable[ShopAlert], now: datetime) -> None:
    """Sends alerts at once, to the recipients of the shops' clients. A fault of the delivery does not stop the data.

    Args:
        services: The run's services.
        alerts: The alerts.
        now: The time of the night. The night is its day in ``MDP_SHOP_TIMEZONE``.
    """
    night = now.astimezone(ZoneInfo(services.settings.shop_zone)).date()
    found = list(alerts)
    for alert in found:
        log.error("alert of %s, %s: %s", night, alert.cause.value, alert)
    try:
        send_mails(services, alert_mails(services, found, night), now, HASTY)
    except Exception:  # the data is more important than an email
        log.exception("the emails of the alerts can't be sent")


@dg.failure_hook(
    name="alert_of_failure",
    required_resource_keys={"services"},
)
def alert_of_failure(context: dg.HookContext) -> None:
    """Reports a step that failed, for each shop: nothing of the night is published after it."""
    error = context.op_exception
    if isinstance(error, dg.Failure) and error.metadata.get(_METADATA):
        return  # the sync has reported its own causes
    services: Services = context.resources.services
    text = f"the step {context.step_key} failed: {reason(error)}"
    remedy = "correct the cause, then run the job shop_daily again"
    shops = listed_shops(services.clients)
    send_alerts(services, [ShopAlert(AlertCause.NOT_PUBLISHED, shop, text, remedy) for shop in shops], utc_now())


def reason(error: BaseException | None) -> str:
    """Returns one line: the message of the outermost cause that names a remedy, else of the first cause."""
    if error is None:
        return "unknown reason"
    while error.__cause__ is not None and " → " not in str(error):
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def as_utc(instant: datetime) -> str:
    """Returns an instant for people."""
    return f"{instant.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
