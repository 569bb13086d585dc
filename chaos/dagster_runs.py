"""Reads a round's runs from Dagster's storage file: which have not ended, and which overlapped."""

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
    """A run in Dagster's storage. ``start`` and ``end`` follow the clock of the run's process, and may be missing."""

    run_id: str
    status: str
    start: float | None
    end: float | None

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended."""
        return self.status in _ENDED


def dagster_runs(home: Path) -> dict[str, DagsterRun]:
    """All runs, by id."""
    with closing(sqlite3.connect(home / "history" / "runs.db", timeout=30)) as connection:
        rows = connection.execute("select run_id, status, start_time, end_time from runs").fetchall()
    return {row[0]: DagsterRun(*row) for row in rows}


def without_end(home: Path) -> set[str]:
    """The ids of the runs that have not ended."""
    return {run.run_id for run in dagster_runs(home).values() if not run.has_ended}


def overlapped(runs: Iterable[DagsterRun], now: float) -> bool:
    """Whether two of the runs overlapped. ``now``: runs without an end ended at this time at the latest."""
    times = [(run.start, run.end or now) for run in runs if run.start is not None]
    return any(one[0] < other[1] and other[0] < one[1] for one, other in combinations(times, 2))


def end_of(home: Path, run_id: str, patience: float) -> str:
    """The run's status, once it has ended or ``patience`` seconds are over."""
    deadline = time.monotonic() + patience
    while (run := dagster_runs(home).get(run_id)) is None or not run.has_ended:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return "unknown" if run is None else run.status
