"""A DAGSTER_HOME of the commands: this repository's dagster.yaml, and what Dagster's processes get with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mdp_dagster.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from dagster import DagsterInstance


def environment(home: Path) -> dict[str, str]:
    """For Dagster's processes. They store the events of a range of days together (mdp_dagster/event_storage.py)."""
    python_path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    batch = os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "500")
    return {"DAGSTER_HOME": str(home), "DAGSTER_EVENT_BATCH_SIZE": batch, "PYTHONPATH": python_path}


@contextmanager
def dagster_instance(home: Path) -> Iterator[DagsterInstance]:
    """The instance; meanwhile DAGSTER_HOME is this one, as dagster.yaml asks for it."""
    from dagster import DagsterInstance

    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        with DagsterInstance.from_config(str(home)) as instance:
            yield instance
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before


def prepare_dagster_home(home: Path) -> None:
    """A DAGSTER_HOME with this repository's dagster.yaml, and with Dagster's storage: two processes that both make
    that at once can end each other."""
    home.mkdir(parents=True, exist_ok=True)
    link = home / "dagster.yaml"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(PROJECT_ROOT / "dagster.yaml")
    with dagster_instance(home) as instance:
        instance.get_runs(limit=1)
        instance.all_instigator_state()
