"""The workspace of a command: its warehouse, its lake, its DAGSTER_HOME, and the environment of Dagster's processes.

A `Workspace` is a folder with all of these, for the demo, the bench and chaos. Nothing in it reaches a production
warehouse or an ad account of the user's, for any .env and any environment. `UserWorkspace` is the user's own data.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from mdp_dagster.cli.dagster_home import environment as dagster_environment
from mdp_dagster.cli.dagster_home import not_writable
from mdp_dagster.cli.processes import running_process
from mdp_dagster.connectors.sources import all_sources, without_source_variables
from mdp_dagster.settings import PROJECT_ROOT, STATE_DIR, Settings, load_settings

_NOT_INHERITED = ("MDP_", "DAGSTER_", "DBT_")
_USER_DATA = ("MDP_ENV_FILE", "MDP_DUCKDB_PATH", "MDP_LAKE_URI")
# Some of the dependency group `sandbox` in pyproject.toml.
_SANDBOX_PACKAGES = ("aiosmtpd", "cryptography", "starlette", "uvicorn")
_SHOP_DAYS = 60
_START_SECONDS = 300  # only catches a hang: a busy machine may need a minute

DEMO_FOLDER = STATE_DIR / "demo"
MAIL_FOLDER = "mail"
"""Where the sandbox's mail server keeps its emails, in the folder of the workspace."""


class DemoError(Exception):
    """The demo can't continue. Names the file to read, or the remedy."""


@dataclass(frozen=True)
class Workspace:
    """A folder with a warehouse, a lake and a DAGSTER_HOME of its own.

    ``folder_setting`` is the option that names the folder, for messages.
    """

    folder: Path = DEMO_FOLDER
    folder_setting: str = "--folder"

    @property
    def dagster_home(self) -> Path:
        """The DAGSTER_HOME."""
        return self.folder / "dagster"

    @property
    def warehouse(self) -> Path:
        """The database file."""
        return self.folder / "warehouse.duckdb"

    @property
    def lake(self) -> Path:
        """The lake's folder."""
        return self.folder / "lake"

    @property
    def run_log(self) -> Path:
        """The log of the newest run of the ads' job."""
        return self.folder / "run.log"

    @property
    def shop_run_log(self) -> Path:
        """The log of the newest run of the shops' job."""
        return self.folder / "shop_run.log"

    def settings(self) -> Settings:
        """The settings of this workspace, for any environment."""
        return Settings.model_construct(duckdb_path=self.warehouse, lake_uri=str(self.lake))

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The environment for Dagster's processes.

        Args:
            variables: The sandbox's addresses, and settings that differ from the workspace's own.
        """
        return {
            **clean_environment(),
            **dagster_environment(self.dagster_home),
            "MDP_DUCKDB_PATH": str(self.warehouse),
            "MDP_LAKE_URI": str(self.lake),
            "MDP_CLIENTS_FILE": str(PROJECT_ROOT / "config" / "clients.yaml"),
            "MDP_ENV_FILE": os.devnull,
            **variables,
        }

    @contextmanager
    def running(self, sandbox_name: str = "sandbox", first_day: date | None = None) -> Iterator[dict[str, str]]:
        """Runs a sandbox, and yields the environment for Dagster's processes.

        Args:
            sandbox_name: A second sandbox needs another name: the file ``sandbox.env`` then keeps the addresses of a
                running `make dev`.
            first_day: The first day of the shops' changes. Default: 60 days ago.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise not_writable(self.folder_setting, self.folder, error) from error
        with running_sandbox(self.folder, sandbox_name) as variables:
            yield self.environment({**_shop_start(first_day), **variables})


@dataclass(frozen=True)
class UserWorkspace:
    """The user's own warehouse, lake and accounts, as `.env` and the environment name them."""

    folder: Path
    dagster_home: Path
    folder_setting: str = "DAGSTER_HOME"

    def settings(self) -> Settings:
        """The user's settings; raises ``SettingsError``."""
        return load_settings()

    @contextmanager
    def running(self, sandbox_name: str = "sandbox") -> Iterator[dict[str, str]]:
        """Yields the environment for Dagster's processes. No sandbox is needed."""
        yield {**os.environ, **dagster_environment(self.dagster_home)}


def _shop_start(first_day: date | None) -> dict[str, str]:
    """The variables that begin the shops' first sync on a day, by default 60 days ago: more history takes longer."""
    first_day = first_day or datetime.now(timezone.utc).date() - timedelta(days=_SHOP_DAYS - 1)
    return {f"{source.environment_prefix}START_DATE": str(first_day) for source in all_sources() if source.shop}


def choose_workspace(demo: Path | None = None) -> Workspace | UserWorkspace:
    """The user's own data if there is a .env or the environment names it; otherwise the demo's data.

    Args:
        demo: A folder of demo data to use in any case.
    """
    if demo is None and has_user_data():
        home = Path(os.environ.get("DAGSTER_HOME") or STATE_DIR / "dagster")
        return UserWorkspace(PROJECT_ROOT, home.resolve())
    return Workspace((demo or DEMO_FOLDER).resolve(), "--demo")


def has_user_data() -> bool:
    """True if there is a .env, or the environment names a warehouse or a lake."""
    if os.environ.get("MDP_TARGET") == "bigquery":  # the demo is on DuckDB
        return True
    return (PROJECT_ROOT / ".env").exists() or any(os.environ.get(name) for name in _USER_DATA)


def clean_environment() -> dict[str, str]:
    """This process's environment without the settings of MDP, Dagster, dbt and every source."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return without_source_variables(kept)


def require_the_sandbox() -> None:
    """Checks that the sandbox is installed: the image, for example, has only production code.

    Raises:
        DemoError: The sandbox or one of its packages is missing.
    """
    missing = [name for name in _SANDBOX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing or not (PROJECT_ROOT / "sandbox").is_dir():
        raise DemoError(
            "the sandbox is not installed here → run the demo in a checkout of the repository, after `make setup` or "
            "`uv sync`"
        )


@contextmanager
def running_sandbox(folder: Path, name: str = "sandbox") -> Iterator[dict[str, str]]:
    """Runs the sandbox as a process, and yields the variables that direct the connectors to it.

    Args:
        folder: The folder for the sandbox's keys and log.
        name: The variables are also in ``<name>.env``, so two sandboxes at the same time need two names.

    Raises:
        DemoError: The sandbox is not installed, or doesn't start.
    """
    require_the_sandbox()
    folder.mkdir(parents=True, exist_ok=True)
    env_file, log_file = folder / f"{name}.env", folder / f"{name}.log"
    env_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sandbox", "--state-dir", str(folder / "sandbox")]
    sandbox = [*command, "--mail-dir", str(folder / MAIL_FOLDER), "--env-file", str(env_file)]
    with (
        log_file.open("w") as log,
        running_process(sandbox, cwd=PROJECT_ROOT, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        deadline = time.monotonic() + _START_SECONDS
        while not env_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the sandbox did not start → see {log_file}")
            time.sleep(0.05)
        yield dict(line.split("=", 1) for line in env_file.read_text().splitlines() if "=" in line)
