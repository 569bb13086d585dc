"""The asset that sends the morning email of each client with shops, and its check."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from mdp_dagster.defs.shop.looker_csv import DELIVERY
from mdp_dagster.defs.shop.night_alerts import alerts_of_last_sync
from mdp_dagster.defs.shop.shop_calendar import Shop, shops_of
from mdp_dagster.defs.shop.shop_mails import alert_mails, send_mails, shops_of_clients
from mdp_dagster.defs.shop.shop_systems import DAILY_MART, ORDERS_SYNC, SHOP
from mdp_dagster.defs.shop.summary_figures import shop_days
from mdp_dagster.defs.shop.summary_mail import SUMMARY, ShopReport, summary_mail
from mdp_dagster.delivery.mail import Mail
from mdp_dagster.delivery.outbox import Outcome, Status
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.shop_alerts import ShopAlert
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.operational.store_figures import StoreFigures
from mdp_dagster.orchestration.domain import OWNERS
from mdp_dagster.orchestration.partitions import SINGLE_RUN
from mdp_dagster.orchestration.services import Services
from mdp_dagster.warehouse.base import MARTS, Warehouse

log = logging.getLogger(__name__)

MORNING_MAIL = "morning_mail"
MAIL_SENT = "mail_sent"
_SHOWN_MAILS = 3


def morning_mail_asset() -> dg.AssetsDefinition:
    """Returns the asset."""

    @dg.asset(
        name=MORNING_MAIL,
        deps=[DAILY_MART, "kpis_produit", "ventes_geographiques"],
        group_name=SHOP.group(DELIVERY),
        tags=SHOP.tags(DELIVERY),
        description=(
            "Sends one email for each client with shops and recipients (`mail` in the clients file) and each day: "
            "yesterday's sales, compared with the weeks before, and the alerts. A second run of a day sends nothing "
            "twice. A fault of the mail server fails the check, and not the run; the next run of the day tries again."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                MAIL_SENT,
                asset=MORNING_MAIL,
                description="The mail server accepted the day's email, and those of the alerts, for every recipient.",
            )
        ],
        backfill_policy=SINGLE_RUN,
        required_resource_keys={"services"},
        owners=OWNERS,
        kinds={"python", "email"},
    )
    def morning_mail(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        services: Services = context.resources.services
        now = utc_now()
        night = now.astimezone(ZoneInfo(services.settings.shop_zone)).date()
        alerts = alerts_of_last_sync(context.instance)
        mails, faults = _summaries(services, alerts, night, now, _counts_of_night(context.instance))
        outcomes = send_mails(services, [*mails, *alert_mails(services, alerts, night)], now)
        return dg.MaterializeResult(
            metadata=_metadata(outcomes, services, night), check_results=[_check_result(outcomes, faults)]
        )

    return morning_mail


def _summaries(
    services: Services, alerts: Sequence[ShopAlert], night: date, now: datetime, counts: Mapping[str, tuple[int, int]]
) -> tuple[list[Mail], dict[str, str]]:
    """Returns the emails, and the faults of those that could not be written, by client."""
    clients = [(client, shops) for client, shops in shops_of_clients(services.clients, night) if client.mail]
    if not clients:
        return [], {}
    mails, faults = [], {}
    with services.warehouse.session():
        known = shops_of(services.warehouse)
        complete = _complete_until(services, known, {alert.shop for alert in alerts})
        for client, domains in clients:
            try:
                shops = [known.get(domain) or Shop(domain, domain, services.settings.shop_zone) for domain in domains]
                reports = _reports(services.warehouse, shops, complete, now, counts)
                own = [alert for alert in alerts if alert.shop in domains]
                day = night - timedelta(days=1)
                mails.append(summary_mail(client, day, reports, own, services.settings.dashboard_url))
            except Exception as error:  # the email of one client must not stop those of the others
                log.exception("the email of %s can't be written", client.id)
                faults[client.id] = f"the email can't be written: {error} → see the log of the run"
    return mails, faults


def _reports(
    warehouse: Warehouse,
    shops: Sequence[Shop],
    complete: Mapping[str, datetime],
    now: datetime,
    counts: Mapping[str, tuple[int, int]],
) -> list[ShopReport]:
    days = {shop.domain: min(shop.last_day(now), shop.last_day(complete.get(shop.domain, now))) for shop in shops}
    figures = shop_days(warehouse, days) if warehouse.has_table(MARTS, DAILY_MART) else {}
    reports = []
    for shop in shops:
        rejected, read = counts.get(shop.domain, (None, None))
        day, until = days[shop.domain], complete.get(shop.domain)
        currencies = figures.get(shop.domain, [])
        reports.append(ShopReport(shop, day, shop.last_day(now), currencies, until, rejected, read))
    return reports


def _complete_until(services: Services, shops: Mapping[str, Shop], held_back: set[str]) -> dict[str, datetime]:
    """Returns up to which instant the marts have all orders, by shop: the sync's watermark.

    The marts of a shop that was held back are as old as its newest extract.
    """
    if not shops:
        return {}
    extracts = services.warehouse.query(
        f"select boutique, max(extracted_at) as newest from {MARTS}.{DAILY_MART} group by boutique"
    ).to_pylist()
    complete = {row["boutique"]: row["newest"].replace(tzinfo=timezone.utc) for row in extracts}
    try:
        states = StoreFigures(services.shop_store.address).shops()
    except StoreError as error:
        log.warning("the watermarks of the shops can't be read: %s", error)
        return complete
    for domain, state in states.items():
        if domain not in held_back and state.watermark is not None:
            complete[domain] = state.watermark
    return complete


def _counts_of_night(instance: dg.DagsterInstance) -> dict[str, tuple[int, int]]:
    """Returns the rejected and the read orders of the newest sync, by shop."""
    event = instance.get_latest_materialization_event(ORDERS_SYNC)
    materialization = event.asset_materialization if event else None
    table = materialization.metadata.get("by_shop") if materialization else None
    records = table.records if isinstance(table, dg.TableMetadataValue) else []
    return {
        str(record.data["shop"]): (int(record.data["rejected"] or 0), int(record.data["orders_read"] or 0))
        for record in records
    }


def _metadata(outcomes: Sequence[Outcome], services: Services, night: date) -> dict[str, Any]:
    without = [client.id for client, _ in shops_of_clients(services.clients, night) if not client.mail]
    metadata: dict[str, Any] = {
        "day": (night - timedelta(days=1)).isoformat(),
        "emails": len(outcomes),
        "sent": sum(outcome.status is Status.SENT for outcome in outcomes),
        "sent_before": sum(outcome.status is Status.SENT_BEFORE for outcome in outcomes),
        "clients_without_recipients": ", ".join(without) or "none",
    }
    if outcomes:
        metadata["by_email"] = dg.MetadataValue.table([dg.TableRecord(_record(outcome)) for outcome in outcomes])
    for outcome in [outcome for outcome in outcomes if outcome.mail.kind == SUMMARY][:_SHOWN_MAILS]:
        fenced = outcome.mail.text.replace("```", "'''")
        metadata[f"email_of_{outcome.mail.client}"] = dg.MetadataValue.md(f"```\n{fenced}\n```")
    return metadata


def _check_result(outcomes: Sequence[Outcome], faults: Mapping[str, str]) -> dg.AssetCheckResult:
    failed = [outcome for outcome in outcomes if outcome.failure]
    records = [dg.TableRecord(_record(outcome)) for outcome in failed]
    records += [
        dg.TableRecord({"client": client, "subject": "", "status": Status.FAILED.value, "failure": fault})
        for client, fault in faults.items()
    ]
    return dg.AssetCheckResult(
        check_name=MAIL_SENT,
        passed=not records,
        metadata={
            "emails": len(outcomes) + len(faults),
            "failed": len(records),
            **({"failures": dg.MetadataValue.table(records)} if records else {}),
        },
    )


def _record(outcome: Outcome) -> dict[str, str]:
    return {
        "client": outcome.mail.client,
        "subject": outcome.mail.subject,
        "status": outcome.status.value,
        "failure": outcome.failure,
    }
