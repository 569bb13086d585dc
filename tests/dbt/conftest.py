"""Fixtures of the dbt tests: the project, parsed once, and an empty warehouse for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import WAREHOUSE_FILE, Dbt, Warehouse


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    state = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        # Relations are named after the file: every warehouse in these tests has this file name.
        patch.setenv("MDP_DUCKDB_PATH", str(state / WAREHOUSE_FILE))
        patch.delenv("MDP_TARGET", raising=False)
        return Dbt(state)


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """An empty warehouse, and dbt pointed at it."""
    monkeypatch.setenv("MDP_DUCKDB_PATH", str(tmp_path / WAREHOUSE_FILE))
    monkeypatch.delenv("MDP_TARGET", raising=False)
    return Warehouse(tmp_path / WAREHOUSE_FILE)
