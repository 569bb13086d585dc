"""What Dagster's storage says of a round's runs, read as a file: which have no end, and which went on at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

SUCCESS = "SUCCESS"
_ENDED = (SUCCESS, "FAILURE", "CANCELED")


@dataclass(frozen=True)
class DagsterRun:
    """``start``, ``end``: by the clock of the run's process; None for what it didn't come to tell."""

    run_id: str
    status: str
    start: float | None
    end: float | None

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED


def dagster_runs(home: Path) -> dict[str, DagsterRun]:
    with closing(sqlite3.connect(home / "history" / "runs.db", timeout=30)) as connection:
        rows = connection.execute("select run_id, status, start_time, end_time from runs").fetchall()
    return {row[0]: DagsterRun(*row) for row in rows}


def without_end(home: Path) -> set[str]:
    return {run.run_id for run in dagster_runs(home).values() if not run.has_ended}


def overlapped(runs: Iterable[DagsterRun], now: float) -> bool:
    """Whether two of them went on at once. ``now``: when those without an end were over at the latest."""
    times = [(run.start, run.end or now) for run in runs if run.start is not None]
    return any(one[0] < other[1] and other[0] < one[1] for one, other in combinations(times, 2))


def end_of(home: Path, run_id: str, patience: float) -> str:
    """Its status, when it has ended or time is up."""
    deadline = time.monotonic() + patience
    while (run := dagster_runs(home).get(run_id)) is None or not run.has_ended:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return "unknown" if run is None else run.status
