"""The Dagster runs of a backfill: finds a running or an interrupted one."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.window import DateWindow


class BackfillRunning(Exception):
    """The same backfill is already running. The message names the process or run, and the remedy."""


@dataclass(frozen=True)
class Backfill:
    """A range of days and a selection of assets, which identify a backfill."""

    window: DateWindow
    select: str

    @property
    def name(self) -> str:
        """The window and the selection."""
        return f"{self.window} {self.select}"

    def tags(self, continues: str | None) -> dict[str, str]:
        """The tags of a run. ``continues``: the id of the interrupted run."""
        tags = {**range_tags(self.window), run_tags.BACKFILL: self.name}
        return {**tags, run_tags.CONTINUES: continues} if continues else tags

    def log(self, home: Path) -> Path:
        """The log of its runs."""
        return self._file(home, "log")

    def lock(self, home: Path) -> Path:
        """The lock file of its runs."""
        return self._file(home, "lock")

    def _file(self, home: Path, ending: str) -> Path:
        digest = hashlib.blake2b(self.name.encode(), digest_size=4).hexdigest()
        return home / "backfills" / f"{self.window.start}_{self.window.last}_{digest}.{ending}"


@contextmanager
def locked_backfill(home: Path, backfill: Backfill) -> Iterator[int]:
    """Hold the backfill's lock, so that no other process starts the same backfill.

    Yields:
        The lock's file descriptor. The run's process must inherit it: the kernel keeps the lock until the last process
        with the descriptor ends, so a run that outlives this process does not count as dead.

    Raises:
        BackfillRunning: another process holds the lock.
    """
    path = backfill.lock(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace") or "unknown"
            raise BackfillRunning(
                f"the backfill {backfill.name} is already running, started by process {holder} → wait for it, or end "
                f"it and start again; its log is {backfill.log(home)}"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def unfinished_run(instance: dg.DagsterInstance, backfill: Backfill) -> str | None:
    """The id of the newest run of the backfill, or None if it succeeded. Call this while holding the lock.

    If Dagster still shows the run as running, its process has died, because nobody else holds the lock. Then the run is
    marked as failed.

    Raises:
        BackfillRunning: the run was executed again from the UI and is running. Dagster's daemon does not use the lock.
    """
    runs = instance.get_runs(RunsFilter(tags={run_tags.BACKFILL: backfill.name}), limit=1)
    if not runs or runs[0].status == DagsterRunStatus.SUCCESS:
        return None
    run = runs[0]
    if not run.is_finished:
        if run.parent_run_id:
            raise BackfillRunning(
                f"the backfill {backfill.name} is running, started from the UI as run {run.run_id} → wait for it, or "
                "terminate it there"
            )
        instance.report_run_failed(run, "its process ended: it was killed, or the machine stopped")
    return run.run_id
