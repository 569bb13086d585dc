"""The DAGSTER_HOME of the commands: its dagster.yaml, and the environment of Dagster's processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mdp_dagster.settings import PROJECT_ROOT, SettingsError

if TYPE_CHECKING:
    from dagster import DagsterInstance

_LONGEST_FAULT = 300
_POSTGRES_DRIVERS = ("psycopg", "psycopg2")
_WRITTEN_BY_MDP = "# Written by MDP from its own dagster.yaml. A file without this line is yours, and stays as it is.\n"


def environment(home: Path) -> dict[str, str]:
    """Variables for Dagster's processes. Events are stored in batches (mdp_dagster/cli/event_storage.py)."""
    python_path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    batch = os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "500")
    return {"DAGSTER_HOME": str(home), "DAGSTER_EVENT_BATCH_SIZE": batch, "PYTHONPATH": python_path}


def dagster_instance(home: Path) -> DagsterInstance:
    """The Dagster instance of a prepared home, as a context manager."""
    from dagster import DagsterInstance

    return DagsterInstance.from_config(str(home))


def prepare_dagster_home(home: Path, setting: str = "DAGSTER_HOME") -> None:
    """Create a DAGSTER_HOME with this repository's dagster.yaml and Dagster's storage.

    The storage is created here, because two processes that create it at the same time can crash each other.

    Args:
        home: The folder.
        setting: The setting or option that names the folder, for the message of an error.

    Raises:
        SettingsError: The folder can't be created or written, its database is damaged, its dagster.yaml is not valid,
            or the PostgreSQL in it does not answer.
    """
    from dagster import DagsterError
    from dagster._check import CheckError
    from sqlalchemy.exc import DatabaseError, OperationalError

    try:
        home.mkdir(parents=True, exist_ok=True)
        write_dagster_yaml(home)
        with _one_line_for_postgres(home / "dagster.yaml"), dagster_instance(home) as instance:
            instance.get_runs(limit=1)
            instance.all_instigator_state()
    except (OSError, OperationalError) as error:
        raise not_writable(setting, home, error) from error
    except DatabaseError as error:
        remedy = f"set {setting} to another folder, or replace the database below it with a copy that is not damaged"
        raise SettingsError(f"{home} can't be read: {error.orig} → {remedy}") from error
    except (yaml.YAMLError, UnicodeDecodeError, DagsterError, CheckError) as error:
        fault = " ".join(str(error).split())[:_LONGEST_FAULT]
        remedy = f"correct the file, or remove it: MDP then writes its own. {setting} names the folder"
        raise SettingsError(f"{home / 'dagster.yaml'} is not valid: {fault} → {remedy}") from error


@contextmanager
def _one_line_for_postgres(file: Path) -> Iterator[None]:
    """Raises ``SettingsError`` in place of an error of the PostgreSQL that a user's own dagster.yaml names."""
    try:
        yield
    except Exception as error:
        # dagster-postgres hides the driver's error behind "too many retries for DB connection"
        causes = [error, error.__cause__, *(getattr(each, "orig", None) for each in (error, error.__cause__))]
        of_driver = [each for each in causes if type(each).__module__.partition(".")[0] in _POSTGRES_DRIVERS]
        if not of_driver:
            raise
        fault = " ".join(str(of_driver[0]).split())[:_LONGEST_FAULT]
        remedy = "start that server, or correct `storage` in the file"
        raise SettingsError(f"{file}: its PostgreSQL can't be used: {fault} → {remedy}") from error


def not_writable(setting: str, folder: Path, error: Exception) -> SettingsError:
    """Returns the error for a folder that can't be created or written."""
    reason = getattr(error, "strerror", None) or getattr(error, "orig", None) or error
    remedy = f"set {setting} to a folder that you can create and write"
    return SettingsError(f"{folder} can't be written: {reason} → {remedy}")


def write_dagster_yaml(home: Path) -> None:
    """Write the dagster.yaml with MDP's event storage class, unless the user has written an own one.

    The events stay in Dagster's usual folder. Its path is absolute, so a moved or copied home gets a new file.
    """
    storage = {
        "event_log_storage": {
            "module": "mdp_dagster.cli.event_storage",
            "class": "QuickSqliteEventLogStorage",
            "config": {"base_dir": str(home / "history" / "runs")},
        }
    }
    text = _WRITTEN_BY_MDP + (PROJECT_ROOT / "dagster.yaml").read_text() + "\n" + yaml.safe_dump(storage)
    path = home / "dagster.yaml"
    if path.exists() and not path.is_symlink():  # earlier versions linked it
        existing = path.read_text()
        if existing == text or not existing.startswith(_WRITTEN_BY_MDP):
            return
    descriptor, unfinished = tempfile.mkstemp(dir=home, prefix="dagster-", suffix=".yaml")
    with open(descriptor, "w") as file:
        file.write(text)
    os.replace(unfinished, path)
