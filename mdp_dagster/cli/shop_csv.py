"""``make shop-csv``: the raw rows of the shops as CSV files, for inspection."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdp_dagster.cli.workspace import choose_workspace
from mdp_dagster.settings import STATE_DIR
from mdp_dagster.warehouse.base import RAW, WarehouseError

_FILES = ("orders", "order_items", "products")


def add_commands(commands: Any) -> None:
    """Add the command ``shop-csv``."""
    parser = commands.add_parser("shop-csv", help="write the shops' raw rows as CSV files, for inspection")
    parser.add_argument("--folder", type=Path, default=STATE_DIR / "shop-csv", help="default: .mdp/shop-csv")
    parser.add_argument("--demo", type=Path, help="use the demo's data in this folder, even if there is a .env")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pyarrow import csv

    from mdp_dagster.definitions import services

    warehouse = services(choose_workspace(options.demo).settings()).warehouse
    folder: Path = options.folder.resolve()
    for name in _FILES:
        if not warehouse.has_table(RAW, f"raw_shop__{name}"):
            raise WarehouseError(f"{warehouse.display_name} has no shops yet → run the job shop_daily first")
        rows = warehouse.query(f"select * from {RAW}.raw_shop__{name} order by account_id, change_seq")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            csv.write_csv(rows, folder / f"{name}.csv")
        except OSError as error:
            raise WarehouseError(f"{folder}: {error} → free space there, or set --folder to another one") from error
        print(f"{folder / name}.csv  {rows.num_rows:,} rows: every version of every row")
    return 0
