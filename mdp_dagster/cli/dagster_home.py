"""A DAGSTER_HOME of the commands: this repository's dagster.yaml, and what Dagster's processes get with it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mdp_dagster.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from dagster import DagsterInstance

_OURS = "# Written by MDP from its own dagster.yaml. A file without this line is yours, and stays as it is.\n"


def environment(home: Path) -> dict[str, str]:
    """For Dagster's processes. They store the events of a range of days together (mdp_dagster/cli/event_storage.py)."""
    python_path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    batch = os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "500")
    return {"DAGSTER_HOME": str(home), "DAGSTER_EVENT_BATCH_SIZE": batch, "PYTHONPATH": python_path}


def dagster_instance(home: Path) -> DagsterInstance:
    """The instance of a home that is prepared; a context manager."""
    from dagster import DagsterInstance

    return DagsterInstance.from_config(str(home))


def prepare_dagster_home(home: Path) -> None:
    """A DAGSTER_HOME with this repository's dagster.yaml, and with Dagster's storage: two processes that both make
    that at once can end each other."""
    home.mkdir(parents=True, exist_ok=True)
    write_dagster_yaml(home)
    with dagster_instance(home) as instance:
        instance.get_runs(limit=1)
        instance.all_instigator_state()


def write_dagster_yaml(home: Path) -> None:
    """Dagster's own storage of events, in Dagster's own place, with a class of ours. Anew for a home that was moved or
    copied: the place is an absolute path."""
    storage = {
        "event_log_storage": {
            "module": "mdp_dagster.cli.event_storage",
            "class": "QuickSqliteEventLogStorage",
            "config": {"base_dir": str(home / "history" / "runs")},
        }
    }
    text = _OURS + (PROJECT_ROOT / "dagster.yaml").read_text() + "\n" + yaml.safe_dump(storage)
    path = home / "dagster.yaml"
    if path.exists() and not path.is_symlink():  # earlier versions linked it
        there = path.read_text()
        if there == text or not there.startswith(_OURS):
            return
    descriptor, unfinished = tempfile.mkstemp(dir=home, prefix="dagster-", suffix=".yaml")
    with open(descriptor, "w") as file:
        file.write(text)
    os.replace(unfinished, path)
