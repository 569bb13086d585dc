"""``python -m mdp_dagster COMMAND``: what `make` calls, and what is done by hand in an emergency."""

from __future__ import annotations

import argparse
import sys

from mdp_dagster.cli import as_of, backfill, demo, dev, maintenance
from mdp_dagster.cli.as_of import AsOfError
from mdp_dagster.cli.backfill import BackfillError
from mdp_dagster.cli.demo_world import DemoError
from mdp_dagster.clients.file import ClientsFileError
from mdp_dagster.lake import LakeError
from mdp_dagster.settings import SettingsError
from mdp_dagster.transform.project import DbtError
from mdp_dagster.warehouse.base import WarehouseError

_EXPECTED = (AsOfError, BackfillError, ClientsFileError, DemoError, LakeError, SettingsError, WarehouseError, DbtError)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mdp_dagster", description="MDP, the Marketing Data Platform.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (demo, dev, backfill, as_of, maintenance):
        module.add_commands(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except _EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
