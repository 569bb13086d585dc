"""Sends emails to the clients with shops: who gets them, over which server, and where sent ones are recorded."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from mdp_dagster.clients.model import Client, Clients
from mdp_dagster.defs.shop.shop_systems import SHOP_SYSTEMS
from mdp_dagster.defs.shop.summary_mail import alert_mail
from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.delivery.mail import Mail, read_sender
from mdp_dagster.delivery.outbox import PATIENT, Outbox, Outcome, Patience, Status
from mdp_dagster.delivery.smtp_server import read_smtp_url
from mdp_dagster.ingest.shop_alerts import ShopAlert
from mdp_dagster.orchestration.services import Services

log = logging.getLogger(__name__)

SENT_MAILS = "sent_mails"
"""The folder of the lake with the record of sent emails."""
HASTY = Patience((5.0,), 60.0)
"""For alerts in the middle of a night: they must not delay the data, and a later step sends them again."""


def shops_of_clients(clients: Clients, day: date) -> list[tuple[Client, list[str]]]:
    """Returns the clients with shops, each with the shops that belong to it on a day."""
    owners: dict[str, tuple[date, Client]] = {}
    for system in SHOP_SYSTEMS:
        for client, ref in clients.refs(system.name):
            since = ref.valid_from or date.min
            if since <= day and (ref.id not in owners or since > owners[ref.id][0]):
                owners[ref.id] = (since, client)
    shops: dict[str, list[str]] = {}
    for shop, (_, client) in owners.items():
        shops.setdefault(client.id, []).append(shop)
    return [(client, shops[client.id]) for client in clients.clients if client.id in shops]


def alert_mails(services: Services, alerts: Iterable[ShopAlert], night: date) -> list[Mail]:
    """Returns the emails of alerts, for the clients of the shops that have recipients."""
    owners = shops_of_clients(services.clients, night)
    return [
        alert_mail(client, night, alert, services.settings.dashboard_url)
        for alert in alerts
        for client, shops in owners
        if client.mail and alert.shop in shops
    ]


def send_mails(services: Services, mails: Sequence[Mail], now: datetime, patience: Patience = PATIENT) -> list[Outcome]:
    """Sends the emails that were not sent before. Raises nothing: a fault is in the outcome.

    Args:
        services: The run's services.
        mails: The emails.
        now: The time.
        patience: How long to try.
    """
    if not mails:
        return []
    settings = services.settings
    try:
        if settings.smtp_url is None or settings.mail_from is None:
            missing = "MDP_SMTP_URL" if settings.smtp_url is None else "MDP_MAIL_FROM"
            raise DeliveryError(f"{missing} is not set → set it, or remove `mail` from the clients file")
        place = services.place(f"{settings.lake_uri.rstrip('/')}/{SENT_MAILS}", "MDP_LAKE_URI")
        server, sender = read_smtp_url(settings.smtp_url.get_secret_value()), read_sender(settings.mail_from)
    except DeliveryError as error:
        log.error("no email was sent: %s", error)
        return [Outcome(mail, Status.FAILED, str(error)) for mail in mails]
    return Outbox(server, sender, place, patience).send(mails, now)
