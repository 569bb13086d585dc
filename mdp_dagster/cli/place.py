"""Whose data a command works with: your own, when there is a .env or the environment names it; else the demo's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mdp_dagster.cli.dagster_home import environment
from mdp_dagster.cli.demo_world import DEMO_FOLDER, DemoWorld, running_sandbox
from mdp_dagster.settings import PROJECT_ROOT, STATE_DIR, Settings, load_settings

_OWN = ("MDP_ENV_FILE", "MDP_DUCKDB_PATH", "MDP_LAKE_URI")


@dataclass(frozen=True)
class Place:
    """``folder``: where Dagster's processes work. ``home``: DAGSTER_HOME. ``demo``: None for your own data."""

    folder: Path
    home: Path
    demo: DemoWorld | None

    def settings(self) -> Settings:
        """Raises ``SettingsError``."""
        if self.demo is None:
            return load_settings()
        # the demo has its own, whatever the environment says
        return Settings.model_construct(duckdb_path=self.demo.warehouse, lake_uri=self.demo.lake_uri)

    @contextmanager
    def environment(self, sandbox_name: str = "sandbox") -> Iterator[dict[str, str]]:
        """The environment for Dagster's processes. The demo's sandbox runs meanwhile; under another name it leaves
        the addresses alone that a running `make dev` has written down."""
        if self.demo is None:
            yield {**os.environ, **environment(self.home)}
            return
        with running_sandbox(self.demo, sandbox_name) as addresses:
            yield self.demo.environment(addresses)


def choose_place(demo: Path | None = None) -> Place:
    """``demo``: the demo's data in this folder, even if there are settings of your own."""
    if demo is None and has_own_settings():
        home = Path(os.environ.get("DAGSTER_HOME") or STATE_DIR / "dagster")
        return Place(PROJECT_ROOT, home.resolve(), None)
    world = DemoWorld((demo or DEMO_FOLDER).resolve())
    return Place(world.folder, world.dagster_home, world)


def has_own_settings() -> bool:
    if os.environ.get("MDP_TARGET") == "bigquery":  # the demo is on DuckDB
        return True
    return (PROJECT_ROOT / ".env").exists() or any(os.environ.get(name) for name in _OWN)
