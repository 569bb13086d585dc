"""The shop domain and its shop systems. One name here adds a system: its folder in `connectors/` declares the rest."""

from __future__ import annotations

import dagster as dg

from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.sources import Source, sources
from mdp_dagster.orchestration.domain import Domain

SHOP = Domain("shop")
STORE = "store"
"""The layer of the operational store, before raw."""

SHOP_SYSTEMS: tuple[Source, ...] = sources("shopify")

ORDERS_SYNC = dg.AssetKey(["shop", "orders_sync"])
DAILY_MART = "mart_shop__daily"


def listed_shops(clients: Clients) -> dict[str, Source]:
    """Returns the shops of the clients file, each with its shop system, by domain."""
    return {domain: system for system in SHOP_SYSTEMS for domain in clients.listed(system.name)}
