"""The command `mdp`, which is also `python -m mdp_dagster`. The make targets call it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mdp_dagster.cli import as_of, backfill, demo, dev, maintenance, new_source, shop_csv
from mdp_dagster.cli.as_of import AsOfError
from mdp_dagster.cli.backfill import BackfillError
from mdp_dagster.cli.new_source import NewSourceError
from mdp_dagster.cli.workspace import DemoError
from mdp_dagster.clients.file import ClientsFileError
from mdp_dagster.connectors.sources import SourceError
from mdp_dagster.lake import LakeError
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.settings import PROJECT_ROOT, SettingsError
from mdp_dagster.transform.project import DbtError
from mdp_dagster.warehouse.base import WarehouseError

_EXPECTED = (
    AsOfError,
    BackfillError,
    ClientsFileError,
    DbtError,
    DemoError,
    LakeError,
    NewSourceError,
    SettingsError,
    SourceError,
    StoreError,
    WarehouseError,
)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit code of the process."""
    parser = argparse.ArgumentParser(
        prog="mdp",
        description="MDP, the Marketing Data Platform on Dagster.",
        epilog="Options of a command: mdp COMMAND --help. Without a .env, all commands use the demo's data.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=20, width=100),
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (demo, dev, backfill, as_of, maintenance, new_source, shop_csv):
        module.add_commands(commands)
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 2
    _use_the_env_file_of_the_repository()
    try:
        return int(options.run(options))
    except _EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _use_the_env_file_of_the_repository() -> None:
    """Makes `mdp` read the same `.env` from every working directory. A `.env` in the working directory comes first."""
    env_file = PROJECT_ROOT / ".env"
    if not os.environ.get("MDP_ENV_FILE") and not Path(".env").exists() and env_file.exists():
        os.environ["MDP_ENV_FILE"] = str(env_file)


if __name__ == "__main__":
    sys.exit(main())
