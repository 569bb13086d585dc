"""A sensor's tick after a probe that found many late days."""

from __future__ import annotations

from pathlib import Path

from bench.bench_workspace import BenchWorkspace, accounts_of, days_ago
from bench.figures import Limit, Row


def rows(folder: Path) -> list[Row]:
    """Measure the tick."""
    workspace = BenchWorkspace(folder, {}, accounts_of(1), days_ago(90).start)
    seconds = workspace.script("bench.in_process", "tick").output["all"]
    return [Limit("a sensor's tick, 500 partitions × 50 accounts", seconds, "s", 0.3)]
