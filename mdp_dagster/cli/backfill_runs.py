"""A backfill's runs in Dagster: which one is under way, which one was interrupted."""

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


class UnderWay(Exception):
    """The same backfill is running. Says where, and what to do."""


@dataclass(frozen=True)
class Backfill:
    """A range of days and a selection of assets: the same twice is the same backfill."""

    window: DateWindow
    select: str

    @property
    def name(self) -> str:
        return f"{self.window} {self.select}"

    def tags(self, continues: str | None) -> dict[str, str]:
        """The tags of a run of it."""
        tags = {**range_tags(self.window), run_tags.BACKFILL: self.name}
        return {**tags, run_tags.CONTINUES: continues} if continues else tags

    def log(self, home: Path) -> Path:
        return self._file(home, "log")

    def lock(self, home: Path) -> Path:
        return self._file(home, "lock")

    def _file(self, home: Path, ending: str) -> Path:
        digest = hashlib.blake2b(self.name.encode(), digest_size=4).hexdigest()
        return home / "backfills" / f"{self.window.start}_{self.window.last}_{digest}.{ending}"


@contextmanager
def claimed(home: Path, backfill: Backfill) -> Iterator[int]:
    """Keep the same backfill from beginning elsewhere meanwhile; gives the lock's descriptor.

    The run's process is to inherit it: the kernel keeps the lock until the last process that has it is gone, so a run
    that outlives this process isn't taken for dead. Raises ``UnderWay``.
    """
    path = backfill.lock(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace") or "unknown"
            raise UnderWay(
                f"the backfill {backfill.name} is running already, begun by process {holder} → wait for it, or end it "
                f"and start again; what it says is in {backfill.log(home)}"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def unfinished_run(instance: dg.DagsterInstance, backfill: Backfill) -> str | None:
    """The newest run of the backfill, if it did not succeed; to be asked for under the lock.

    One that Dagster takes for running, while nobody holds the lock, has died: it is marked as failed. Raises
    ``UnderWay`` for one that was executed again from the UI: that is the daemon's, and knows no lock.
    """
    runs = instance.get_runs(RunsFilter(tags={run_tags.BACKFILL: backfill.name}), limit=1)
    if not runs or runs[0].status == DagsterRunStatus.SUCCESS:
        return None
    run = runs[0]
    if not run.is_finished:
        if run.parent_run_id:
            raise UnderWay(
                f"the backfill {backfill.name} is under way from the UI, as run {run.run_id} → wait for it, or "
                "terminate it there"
            )
        instance.report_run_failed(run, "its process is gone: killed, or the machine stopped")
    return run.run_id
