"""The demo's own world: a state folder, a sandbox that speaks the platforms' protocols, and an environment for both.

Nothing here touches a production warehouse: whatever .env or the environment say, the demo has its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mdp_dagster.cli.dagster_home import environment
from mdp_dagster.settings import PROJECT_ROOT, STATE_DIR

_FOREIGN = ("MDP_", "GOOGLE_ADS_", "META_", "DAGSTER_", "GRPC_DEFAULT_SSL_ROOTS")
_SANDBOX_PACKAGES = ("cryptography", "starlette", "uvicorn")  # the dependency group `sandbox` in pyproject.toml
_START_SECONDS = 60

DEMO_FOLDER = STATE_DIR / "demo"


class DemoError(Exception):
    """The demo could not go on. Says where to look."""


@dataclass(frozen=True)
class DemoWorld:
    """Where the demo keeps its things."""

    folder: Path = DEMO_FOLDER

    @property
    def dagster_home(self) -> Path:
        return self.folder / "dagster"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def lake_uri(self) -> str:
        return str(self.folder / "lake")

    @property
    def run_log(self) -> Path:
        return self.folder / "run.log"

    def environment(self, sandbox: dict[str, str]) -> dict[str, str]:
        """The environment for Dagster: the sandbox's addresses, the demo's folders, nothing of anybody's account."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return {
            **kept,
            **sandbox,
            **environment(self.dagster_home),
            "MDP_DUCKDB_PATH": str(self.warehouse),
            "MDP_LAKE_URI": self.lake_uri,
            "MDP_CLIENTS_FILE": str(PROJECT_ROOT / "config" / "clients.yaml"),
            "MDP_ENV_FILE": os.devnull,
        }


def require_the_sandbox() -> None:
    """The image and an installation without the dependency group `sandbox` have only production code.

    Raises:
        DemoError: if the sandbox or one of its packages is missing.
    """
    missing = [name for name in _SANDBOX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing or not (PROJECT_ROOT / "sandbox").is_dir():
        raise DemoError(
            "the sandbox is not installed here → run the demo in a checkout of the repository, after `make setup` or "
            "`uv sync`"
        )


@contextmanager
def running_sandbox(world: DemoWorld, name: str = "sandbox") -> Iterator[dict[str, str]]:
    """The sandbox as a process; gives the environment that directs the connectors to it, which also stands in
    ``<name>.env``: two sandboxes at once need two names.

    Raises:
        DemoError: if the sandbox is not installed or doesn't start.
    """
    require_the_sandbox()
    world.folder.mkdir(parents=True, exist_ok=True)
    env_file, log_file = world.folder / f"{name}.env", world.folder / f"{name}.log"
    env_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sandbox", "--state-dir", str(world.folder / "sandbox")]
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [*command, "--env-file", str(env_file)], cwd=PROJECT_ROOT, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not env_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the sandbox did not start → see {log_file}")
            time.sleep(0.05)
        yield dict(line.split("=", 1) for line in env_file.read_text().splitlines() if "=" in line)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
