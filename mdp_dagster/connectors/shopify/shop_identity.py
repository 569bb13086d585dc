"""Which shop answers, and what it grants: checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mdp_dagster.connectors.errors import AccountError
from mdp_dagster.connectors.shop_documents import ShopFacts
from mdp_dagster.connectors.shopify.client import ShopifyClient
from mdp_dagster.connectors.shopify.line_values import currency, id_number, storable
from mdp_dagster.connectors.shopify.reports import ALL_ORDERS_SCOPE, REPORTS_SCOPE, REQUIRED_SCOPES, SHOP_FACTS


@dataclass(frozen=True)
class ShopIdentity:
    """The facts of the shop that answered, and the app's scopes there."""

    facts: ShopFacts
    scopes: frozenset[str]

    @property
    def sees_all_orders(self) -> bool:
        """Whether the shop shows orders of any age."""
        return ALL_ORDERS_SCOPE in self.scopes

    @property
    def reads_reports(self) -> bool:
        """Whether the app may read Shopify's own reports."""
        return REPORTS_SCOPE in self.scopes


def checked_facts(client: ShopifyClient) -> ShopIdentity:
    """Returns who answers at the configured domain.

    Raises:
        AccountError: Another shop answers, or the facts can't be used.
    """
    identity = client.read(SHOP_FACTS, _identity)
    domain = identity.facts.domain
    if domain != client.domain:
        raise AccountError(
            f"{client.domain} leads to another shop: {domain}",
            f"write {domain} in the clients file (config/clients.yaml) if this is the shop",
        )
    return identity


def check_scopes(identity: ShopIdentity) -> None:
    """Raises ``AccountError`` if the app lacks a scope that every sync needs. Writing includes reading."""
    missing = [scope for scope in REQUIRED_SCOPES if not {scope, scope.replace("read_", "write_")} & identity.scopes]
    if missing:
        raise AccountError(
            f"{identity.facts.domain}: the app lacks the scopes {', '.join(missing)}",
            "add them to the app, together with read_all_orders, and install it again in the shop",
        )


def _identity(data: dict[str, Any]) -> ShopIdentity:
    shop = data["shop"]
    scopes = frozenset(str(scope["handle"]) for scope in data["currentAppInstallation"]["accessScopes"])
    facts = ShopFacts(
        shop_id=id_number(shop["id"], "id"),
        domain=str(shop["myshopifyDomain"]).lower(),
        name=str(storable(shop["name"])),
        time_zone=_zone(shop["ianaTimezone"]),
        currency=currency(shop["currencyCode"], "currencyCode"),
    )
    return ShopIdentity(facts, scopes)


def _zone(name: object) -> str:
    try:
        return ZoneInfo(str(name)).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"ianaTimezone {name!r} is not a time zone") from error
