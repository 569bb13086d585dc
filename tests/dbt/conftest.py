"""Fixtures of the dbt tests: the project, parsed once, and an empty warehouse for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import WAREHOUSE_FILE, Dbt, Warehouse, point_dbt_at


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    state = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        # Relations are named after the file: every warehouse in these tests has this file name.
        point_dbt_at(state / WAREHOUSE_FILE, patch)
        return Dbt(state)


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """An empty warehouse, and dbt pointed at it."""
    point_dbt_at(tmp_path / WAREHOUSE_FILE, monkeypatch)
    return Warehouse(tmp_path / WAREHOUSE_FILE)
