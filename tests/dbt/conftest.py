"""Fixtures of the dbt tests: the project, parsed once, and an empty warehouse for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.built_once import built_once

from .support import WAREHOUSE_FILE, Dbt, Warehouse, parse_project, point_dbt_at


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    state = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        # Relations are named after the file: every warehouse in these tests has this file name.
        point_dbt_at(state / WAREHOUSE_FILE, patch)
        parsed = built_once(tmp_path_factory, "parsed-duckdb", lambda folder: parse_project(folder, {}))
        return Dbt(state, parsed=parsed)


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """An empty warehouse, and dbt pointed at it."""
    point_dbt_at(tmp_path / WAREHOUSE_FILE, monkeypatch)
    return Warehouse(tmp_path / WAREHOUSE_FILE)
