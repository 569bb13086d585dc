"""The deployment from its files: a sandbox, a real PostgreSQL, and docker-compose.yaml's services as processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox, World
from tests.support.clock import NOW
from tests.support.settings_variables import KINDS

from .postgres import running_postgres
from .services import Services

_OURS = (*KINDS, "DAGSTER_")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    # only processes connect to it, so it may have its own certificate authority
    with Sandbox(World(seed=11, now=NOW), tmp_path_factory.getbasetemp() / "sandbox-deploy") as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    return sandbox.world


@pytest.fixture
def services(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The processes that compose would run, without this machine's settings. MDP's settings are in a file."""
    for name in [n for n in os.environ if n.startswith(_OURS)]:
        monkeypatch.delenv(name)
    settings = {
        **sandbox.env,
        "MDP_DUCKDB_PATH": str(tmp_path / "warehouse.duckdb"),
        "MDP_LAKE_URI": str(tmp_path / "lake"),
        "MDP_PROBE_CRON": "0 0 1 1 *",  # no run except the requested one
    }
    in_file = [f"{name}={value}" for name, value in settings.items() if name.startswith(_OURS)]
    (tmp_path / "mdp.env").write_text("\n".join(in_file))
    for name, value in settings.items():
        if not name.startswith(_OURS):
            monkeypatch.setenv(name, value)
    with running_postgres() as storage, Services(tmp_path, storage) as running:
        yield running
