"""Where a round's processes work: its own warehouse, lake, DAGSTER_HOME and temporary folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mdp_dagster.cli import dagster_home
from mdp_dagster.cli.dagster_home import write_dagster_yaml
from mdp_dagster.settings import PROJECT_ROOT
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

MARK = "MDP_CHAOS_MARK"
_FOREIGN = ("MDP_", "GOOGLE_ADS_", "META_", "DAGSTER_", "DBT_")


@dataclass(frozen=True)
class Place:
    """``folder`` lies on the disk that is filled; ``logs``, what processes print, doesn't."""

    folder: Path
    logs: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def warehouse_file(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def home(self) -> Path:
        return self.folder / "dagster"

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
        """A copy of the warehouse as it lies there, to look at: opening the file itself would clear up what a kill has
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
    no_settings = place.folder / "none.env"
    no_settings.touch()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN) or key == MARK}
    place.environment.update(
        kept
        | {
            **dagster_home.environment(place.home),
            "MDP_DUCKDB_PATH": str(place.warehouse_file),
            "MDP_LAKE_URI": str(place.lake),
            "MDP_CLIENTS_FILE": str(PROJECT_ROOT / "config" / "clients.yaml"),
            "MDP_ENV_FILE": str(no_settings),
            "TMPDIR": str(place.temporary),
            "HOME": str(place.home_of_user),
            "XDG_CACHE_HOME": str(place.home_of_user / ".cache"),
            "XDG_CONFIG_HOME": str(place.home_of_user / ".config"),
            "XDG_DATA_HOME": str(place.home_of_user / ".local" / "share"),
            "XDG_STATE_HOME": str(place.home_of_user / ".local" / "state"),
            **settings,
        }
    )
    return place
