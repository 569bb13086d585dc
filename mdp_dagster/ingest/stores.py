"""The three places that ingest reads from and writes to."""

from __future__ import annotations

from dataclasses import dataclass

from mdp_dagster.clients.model import Clients
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.base import Warehouse


@dataclass(frozen=True)
class Stores:
    """The clients file, which lists the accounts, and the warehouse and lake that receive their data."""

    clients: Clients
    warehouse: Warehouse
    lake: Lake
