"""The shop's store: a night of orders from the landed file into PostgreSQL, and from there to raw."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.figures import Figure, Limit, Row
from bench.processes import measured, python
from bench.shop_server import serving_shop
from mdp_dagster.operational.embedded_server import RunningServer, running_server

ORDERS = 100_000
_MEMORY_LIMIT = 200  # MiB
_TABLES = {"orders": "orders", "order_items": "items", "order_sales": "sales"}


@dataclass(frozen=True)
class _Step:
    """A measured step.

    Args:
        cpu_seconds: Of the process and of PostgreSQL.
        peak_mib: The peak memory of the process.
        counts: The number of rows in the store after it, by table.
    """

    cpu_seconds: float
    peak_mib: float
    counts: dict[str, int]


def rows(folder: Path, orders: int = ORDERS) -> list[Row]:
    """Measures the store. The seconds are CPU seconds of the process and of PostgreSQL."""
    folder.mkdir(parents=True)
    with running_server(folder / "source") as source:
        with serving_shop(folder / "sandbox", orders) as settings:
            _step(folder, source, "land", settings)
        floor_extract = _step(folder, source, "floor_extract")
        extract = _step(folder, source, "extract")
    with running_server(folder / "target") as target:
        floor = _step(folder, target, "floor_load")
        load = _step(folder, target, "load")
        again = _step(folder, target, "load")
    sizes = ", ".join(f"{load.counts[table]:,} {what}" for table, what in _TABLES.items())
    megabytes = sum(file.stat().st_size for file in (folder / "lake").rglob("*.jsonl.gz")) / 1e6
    return [
        Figure(
            f"a night of {sizes}, file to PostgreSQL", [load.cpu_seconds], [floor.cpu_seconds], "CPU s", 2.5,
            note=f"floor: parse the file ({megabytes:.0f} MB compressed) and COPY its values, without checks or keys",
        ),
        Limit("the same, peak memory", [load.peak_mib], "MiB", _MEMORY_LIMIT),
        Figure(
            "the same file again", [again.cpu_seconds], [load.cpu_seconds], "CPU s", 0.6, note="floor: the first load"
        ),
        Figure(
            "the same rows, PostgreSQL to raw", [extract.cpu_seconds], [floor_extract.cpu_seconds], "CPU s", 1.5,
            note="floor: ADBC to Arrow, one DuckDB insert for each table",
        ),
    ]  # fmt: skip


def _step(folder: Path, server: RunningServer, step: str, settings: Mapping[str, str] | None = None) -> _Step:
    command = python("bench.shop_steps", step, str(folder), server.url)
    before = _postgres_seconds(server)
    process = measured(command, {**os.environ, **(settings or {})}, folder / f"{step}.log")
    own = process.output.pop("cpu_seconds")
    return _Step(own + _postgres_seconds(server) - before, process.peak_mib, process.output)


def _postgres_seconds(server: RunningServer) -> float:
    """The CPU seconds of a server, with those of all processes that it has had."""
    process = psutil.Process(server.pid)
    own = process.cpu_times()
    living = [child.cpu_times() for child in process.children()]
    return own.children_user + own.children_system + sum(times.user + times.system for times in (own, *living))
