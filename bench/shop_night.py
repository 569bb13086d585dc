"""A whole night of a shop: the job from the sync to the mail."""

from __future__ import annotations

from pathlib import Path

from bench.bench_workspace import TODAY, BenchWorkspace
from bench.figures import Limit, Row
from bench.processes import measured, python
from bench.shop_server import SHOP, serving_shop
from mdp_dagster.defs.shop.jobs import SHOP_JOB
from mdp_dagster.operational.embedded_server import running_server

ORDERS = 100_000
_SECONDS, _MEBIBYTES = 600, 1024


def rows(folder: Path, orders: int = ORDERS) -> list[Row]:
    """Measures a night. Its seconds include those in which the sandbox makes its answers."""
    with serving_shop(folder / "sandbox", orders) as settings:
        workspace = BenchWorkspace(folder / "workspace", settings, {"shopify": [SHOP]}, TODAY)
        with running_server(workspace.warehouse.parent / "postgres"):
            command = python("dagster", "job", "execute", "-m", "mdp_dagster.definitions", "-j", SHOP_JOB)
            night = measured(command, workspace.env, folder / "night.log")
    count = workspace.query("select sum(commandes) from mdp_marts.mart_shop__daily")[0][0]
    return [
        Limit(
            f"a whole night of {count:,} orders, from the sync to the mail", [night.seconds], "s", _SECONDS,
            note="with the time of the sandbox",
        ),
        Limit("the same, peak memory", [night.peak_mib], "MiB", _MEBIBYTES, note="of the run's process"),
    ]  # fmt: skip
