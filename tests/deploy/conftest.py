"""The deployment as its files say it: a sandbox, a real PostgreSQL, docker-compose.yaml's services as processes."""

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
    # only processes talk to it, so it may have a certificate authority of its own
    with Sandbox(World(seed=11, now=NOW), tmp_path_factory.getbasetemp() / "sandbox-deploy") as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    return sandbox.world


@pytest.fixture
def services(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """What compose would run, with nothing of the machine's own settings. MDP's stand in a file, as in production."""
    for name in [n for n in os.environ if n.startswith(_OURS)]:
        monkeypatch.delenv(name)
    settings = {
        **sandbox.env,
        "MDP_DUCKDB_PATH": str(tmp_path / "warehouse.duckdb"),
        "MDP_LAKE_URI": str(tmp_path / "lake"),
        "MDP_PROBE_CRON": "0 0 1 1 *",  # no run but the one that is asked for
    }
    in_file = [f"{name}={value}" for name, value in settings.items() if name.startswith(_OURS)]
    (tmp_path / "mdp.env").write_text("\n".join(in_file))
    for name, value in settings.items():
        if not name.startswith(_OURS):
            monkeypatch.setenv(name, value)
    with running_postgres() as storage, Services(tmp_path, storage) as running:
        yield running
