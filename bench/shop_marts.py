"""The shop's marts: a night of changed orders after years of history, and after months."""

from __future__ import annotations

import os
from pathlib import Path

from bench.figures import Figure, Row
from bench.processes import ROOT, FinishedProcess, measured, python
from bench.shop_history import ORDERS_A_DAY, ShopHistory

YEARS, MONTHS = 3 * 365, 90
CHANGED = 1_000
_TIMES = 2
_FIRST_BUILD_MEMORY = "2GiB"  # the whole history at once


def rows(folder: Path, long: int = YEARS, short: int = MONTHS, orders_a_day: int = ORDERS_A_DAY) -> list[Row]:
    """Measures a night. The seconds are CPU seconds of a process that builds and tests the shop's models."""
    histories = [_Shop(folder / f"nights-{nights}", nights, orders_a_day) for nights in (long, short)]
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(_TIMES):
        for shop, seconds in zip(histories, (ours, floor), strict=True):
            seconds.append(shop.night())
    return [
        Figure(
            f"the shop's marts after a night of {CHANGED:,} changed orders, {long:,} days of {orders_a_day:,} orders",
            ours, floor, "CPU s", 1.3, note=f"floor: the same after {short} days; `dbt build`, already parsed",
        )
    ]  # fmt: skip


class _Shop:
    """A warehouse with a history of a shop, and the shop's models built."""

    def __init__(self, folder: Path, nights: int, orders_a_day: int) -> None:
        folder.mkdir(parents=True)
        self._folder, self._database = folder, folder / "warehouse.duckdb"
        self._history = ShopHistory(self._database, nights, orders_a_day)
        self._dbt("run", _FIRST_BUILD_MEMORY)

    def night(self) -> float:
        """Adds a night, and returns the CPU seconds of its build."""
        self._history.add_night(CHANGED)
        return self._dbt("build").cpu_seconds

    def _dbt(self, command: str, memory: str | None = None) -> FinishedProcess:
        target = str(self._folder / "dbt-target")
        arguments = [
            command, "--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt"),
            "--target-path", target, "--log-path", target, "--select", "tag:shop", "--no-send-anonymous-usage-stats",
        ]  # fmt: skip
        if command == "build":
            arguments += ["--exclude-resource-type", "unit_test"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MDP_", "DBT_"))}
        env = {**inherited, "MDP_DUCKDB_PATH": str(self._database)}
        if memory:
            env["MDP_DUCKDB_MEMORY_LIMIT"] = memory
        return measured(python("dbt.cli.main", *arguments), env, self._folder / "dbt.log")
