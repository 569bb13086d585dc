"""Where a round's processes work: its own warehouse, lake, DAGSTER_HOME and temporary folder."""

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
class Place:
    """``folder`` is on the disk that chaos fills; ``logs``, for the output of processes, is on another one."""

    folder: Path
    logs: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def warehouse_file(self) -> Path:
        return Workspace(self.folder).warehouse

    @property
    def lake(self) -> Path:
        return Workspace(self.folder).lake

    @property
    def home(self) -> Path:
        return Workspace(self.folder).dagster_home

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def home_of_user(self) -> Path:
        return self.folder / "home"

    def warehouse(self) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.warehouse_file, 60)

    @contextmanager
    def snapshot(self) -> Iterator[DuckDBWarehouse]:
        """A copy of the warehouse, to read: opening the file itself would clear up what a kill has
        left, which is the next run's work."""
        with tempfile.TemporaryDirectory(dir=self.logs) as folder:
            for path in self.folder.glob(f"{self.warehouse_file.name}*"):
                shutil.copy(path, folder)
            yield DuckDBWarehouse(Path(folder, self.warehouse_file.name), 60)

    def keep(self, target: Path) -> Path:
        """Copy all of it to where it outlives the round."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder, target / "work", symlinks=True)
        shutil.copytree(self.logs, target / "logs")
        return target


def make_place(disk: Path, logs: Path, name: str, home: Path, settings: Mapping[str, str]) -> Place:
    """``home``: a DAGSTER_HOME to copy, with its storage made. ``settings``: the sandbox's addresses, and MDP's."""
    place = Place(disk / name, logs / name)
    for folder in (place.folder, place.logs, place.temporary, place.home_of_user):
        folder.mkdir(parents=True)
    shutil.copytree(home, place.home, symlinks=True)
    write_dagster_yaml(place.home)
    own = {
        "TMPDIR": str(place.temporary),
        "HOME": str(place.home_of_user),
        "XDG_CACHE_HOME": str(place.home_of_user / ".cache"),
        "XDG_CONFIG_HOME": str(place.home_of_user / ".config"),
        "XDG_DATA_HOME": str(place.home_of_user / ".local" / "share"),
        "XDG_STATE_HOME": str(place.home_of_user / ".local" / "state"),
    }
    mark = {MARK: os.environ[MARK]} if MARK in os.environ else {}
    place.environment.update(Workspace(place.folder).environment({**own, **mark, **settings}))
    return place
