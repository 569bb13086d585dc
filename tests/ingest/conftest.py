from __future__ import annotations

from pathlib import Path

import pytest

from mdp_dagster.clients.model import Clients
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from tests.support.limits import HANG_SECONDS

from .scripted import ScriptedConnector


def make_stores(folder: Path, accounts: list[str]) -> Stores:
    clients = Clients.model_validate(
        {
            "clients": [
                {
                    "id": "acme",
                    "name": "Acme",
                    "reporting_currency": "EUR",
                    "accounts": {"scripted": accounts},
                }
            ]
        }
    )
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", lock_timeout_seconds=HANG_SECONDS)
    return Stores(clients, warehouse, Lake(str(folder / "lake")))


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return make_stores(tmp_path, ["1", "2"])


@pytest.fixture
def connector() -> ScriptedConnector:
    return ScriptedConnector()
