"""The accounts behind a listed customer id: the account itself, or a manager's clients."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import AccountError
from mdp_dagster.connectors.google_ads.source import SOURCE

logger = logging.getLogger(__name__)

CUSTOMER_CLIENTS = (
    "SELECT customer_client.id, customer_client.client_customer, customer_client.level, "
    "customer_client.manager, customer_client.descriptive_name, customer_client.currency_code, "
    "customer_client.time_zone, customer_client.status FROM customer_client"
)
CUSTOMER = (
    "SELECT customer.id, customer.descriptive_name, customer.currency_code, customer.time_zone, "
    "customer.manager FROM customer"
)
# CustomerStatus of deactivated accounts, which the API refuses (CUSTOMER_NOT_ENABLED). A suspended account
# (4) serves no ads but can be read, and what it spent before counts: it is tried.
_DEACTIVATED = {3: "CANCELED", 5: "CLOSED"}

Query = Callable[[str, str], Sequence[Any]]


def expand(listed_id: str, query: Query) -> list[PlatformAccount]:
    """The accounts behind a listed id. ``query(customer_id, gaql)`` gives all rows of an answer.

    ``customer_client`` rows only exist for managers, the manager itself and indirect clients included; some
    servers give a plain account as its own client, others nothing. Raises ``AccountError`` if the id leads to
    no account.
    """
    refused: AccountError | None = None
    clients: dict[str, Any] = {}
    try:
        for row in query(listed_id, CUSTOMER_CLIENTS):
            clients.setdefault(_client_id(row.customer_client), row.customer_client)
    except AccountError as error:
        refused = error
    if clients.pop("", None) is not None:
        logger.warning("google_ads account %s: a client without a customer id, skipped", listed_id)
    own = clients.pop(listed_id, None)
    if own is not None and not own.manager and not clients:
        return [_account(listed_id, listed_id, own)]
    if own is not None or clients:
        return _clients_of(listed_id, clients)
    return [_plain_account(listed_id, query, refused)]


def _clients_of(manager_id: str, clients: dict[str, Any]) -> list[PlatformAccount]:
    accounts = []
    for client_id, client in clients.items():
        if client.manager:
            continue
        if client.status in _DEACTIVATED:
            status = _DEACTIVATED[client.status]
            logger.info("google_ads manager %s: client %s is %s, skipped", manager_id, client_id, status)
            continue
        accounts.append(_account(client_id, manager_id, client, manager_id=manager_id))
    if not accounts:
        raise _without_clients(manager_id)
    return accounts


def _without_clients(manager_id: str) -> AccountError:
    return AccountError(
        f"Google Ads manager account {manager_id} has no client account that can be extracted",
        "link client accounts to it, or take it out of the clients file (config/clients.yaml)",
    )


def _plain_account(listed_id: str, query: Query, refused: AccountError | None) -> PlatformAccount:
    rows = query(listed_id, CUSTOMER)
    if not rows:
        raise refused or AccountError(
            f"Google Ads has no account {listed_id}",
            "check the account id in the clients file (config/clients.yaml)",
        )
    customer = rows[0].customer
    if customer.manager:
        raise _without_clients(listed_id)
    return _account(listed_id, listed_id, customer)


def _account(account_id: str, listed_as: str, resource: Any, manager_id: str = "") -> PlatformAccount:
    return PlatformAccount(
        source=SOURCE.name,
        account_id=account_id,
        listed_as=listed_as,
        name=resource.descriptive_name,
        currency=resource.currency_code,
        time_zone=resource.time_zone,
        manager_id=manager_id,
    )


def _client_id(client: Any) -> str:
    """Digits; the id may be missing where a resource name (``customers/123``) isn't. Empty if neither has them."""
    found = str(client.id or (client.client_customer or client.resource_name).rpartition("/")[2])
    return found if found.isascii() and found.isdigit() else ""
