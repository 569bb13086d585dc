"""The deployment from its files: a sandbox, a real PostgreSQL, and docker-compose.yaml's services as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import World
from tests.support.clock import machine_environment, machine_noon
from tests.support.limits import HANG_SECONDS
from tests.support.settings_variables import KINDS

from .postgres import running_postgres
from .services import ROOT, Services

_OURS = (*KINDS, "DAGSTER_")


@dataclass(frozen=True)
class SandboxProcess:
    """A sandbox in a process of its own, with the machine's clock: PostgreSQL has no other.

    Args:
        env: The variables that direct MDP to it.
        world: The same world as the process serves.
    """

    env: dict[str, str]
    world: World


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    folder, now = tmp_path_factory.mktemp("sandbox-deploy"), machine_noon()
    env_file = folder / "sandbox.env"
    command = [sys.executable, "-m", "sandbox", "--state-dir", str(folder), "--env-file", str(env_file)]
    process = subprocess.Popen(
        [*command, "--seed", "11", "--now", now.isoformat()], cwd=ROOT, env=machine_environment()
    )
    try:
        deadline = time.monotonic() + HANG_SECONDS
        while not env_file.exists():
            assert process.poll() is None and time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.1)
        lines = env_file.read_text().splitlines()
        yield SandboxProcess(dict(line.split("=", 1) for line in lines), World(seed=11, now=now))
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)


@pytest.fixture
def services(sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
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
