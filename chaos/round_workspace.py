"""The folders and the environment of a round: its own warehouse, lake, DAGSTER_HOME and temporary folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mdp_dagster.cli.dagster_home import write_dagster_yaml
from mdp_dagster.cli.workspace import Workspace
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

MARK = "MDP_CHAOS_MARK"


@dataclass(frozen=True)
class RoundWorkspace:
    """The folders of a round. ``folder`` is on the disk that chaos fills. ``logs`` is on another disk."""

    folder: Path
    logs: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def warehouse_file(self) -> Path:
        """The database file."""
        return Workspace(self.folder).warehouse

    @property
    def lake(self) -> Path:
        """The lake's folder."""
        return Workspace(self.folder).lake

    @property
    def home(self) -> Path:
        """The DAGSTER_HOME."""
        return Workspace(self.folder).dagster_home

    @property
    def temporary(self) -> Path:
        """The folder for temporary files."""
        return self.folder / "tmp"

    @property
    def home_of_user(self) -> Path:
        """The home folder of the processes."""
        return self.folder / "home"

    def warehouse(self) -> DuckDBWarehouse:
        """The warehouse."""
        return DuckDBWarehouse(self.warehouse_file, 60)

    @contextmanager
    def snapshot(self) -> Iterator[DuckDBWarehouse]:
        """A copy of the warehouse, for reading.

        Opening the file itself would repair the damage of a kill, which is the task of the next run.
        """
        with tempfile.TemporaryDirectory(dir=self.logs) as folder:
            for path in self.folder.glob(f"{self.warehouse_file.name}*"):
                shutil.copy(path, folder)
            yield DuckDBWarehouse(Path(folder, self.warehouse_file.name), 60)

    def keep(self, target: Path) -> Path:
        """Copy everything to a folder that outlives the round."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder, target / "work", symlinks=True)
        shutil.copytree(self.logs, target / "logs")
        return target


def make_workspace(disk: Path, logs: Path, name: str, home: Path, settings: Mapping[str, str]) -> RoundWorkspace:
    """Create the workspace of a round.

    Args:
        disk: The disk that chaos fills.
        logs: The folder for logs.
        name: The name of the round.
        home: A DAGSTER_HOME with its storage, to copy.
        settings: The sandbox's addresses and MDP's settings.
    """
    workspace = RoundWorkspace(disk / name, logs / name)
    for folder in (workspace.folder, workspace.logs, workspace.temporary, workspace.home_of_user):
        folder.mkdir(parents=True)
    shutil.copytree(home, workspace.home, symlinks=True)
    write_dagster_yaml(workspace.home)
    own = {
        "TMPDIR": str(workspace.temporary),
        "HOME": str(workspace.home_of_user),
        "XDG_CACHE_HOME": str(workspace.home_of_user / ".cache"),
        "XDG_CONFIG_HOME": str(workspace.home_of_user / ".config"),
        "XDG_DATA_HOME": str(workspace.home_of_user / ".local" / "share"),
        "XDG_STATE_HOME": str(workspace.home_of_user / ".local" / "state"),
    }
    mark = {MARK: os.environ[MARK]} if MARK in os.environ else {}
    workspace.environment.update(Workspace(workspace.folder).environment({**own, **mark, **settings}))
    return workspace
