"""Determines a run's stage from outside, by its requests, files and lock. The product contains no code for this."""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from chaos.processes import Running
from chaos.round_workspace import RoundWorkspace
from sandbox import Sandbox

_LOOK_SECONDS = 0.3  # between reads of Dagster's events


class Watch:
    """Determines the stage of a run. Create it before the run starts, and call ``look`` repeatedly during the run."""

    def __init__(self, workspace: RoundWorkspace, sandbox: Sandbox, chance: random.Random) -> None:
        self._workspace = workspace
        self._sandbox = sandbox
        self._requests_before = sandbox.requests.count()
        self._threshold = chance.randint(1, 12)  # the number of requests to wait for
        self._file_threshold = 1 + self._threshold % 3  # a run writes one file for each report
        self._last_look = 0.0
        self._builds_before = self._build_folders()  # folders of killed runs
        self._files_before = self._files_done = self._files_at_lock = self._files()  # done: committed
        self._requests_at_lock = 0
        self._wal = self._wal_bytes()
        self._held = self._commits = self._builds = False
        self._times: Counter[str] = Counter()
        self.has_built = False
        """Whether dbt has started. It may have ended."""

    def requests(self) -> int:
        """The number of requests since the run started."""
        return self._sandbox.requests.count() - self._requests_before

    def look(self, run: Running) -> None:
        """Update the state that one look can't show: whether landed files are committed, and how often."""
        held, wal = self.holds_lock(run), self._wal_bytes()
        if held and not self._held:
            self._files_at_lock, self._requests_at_lock = self._files(), self.requests()
            self._times["load"] += self._files_at_lock > self._files_done
        if held and wal > self._wal and self._files_at_lock > self._files_done:
            self._commits = True
            self._times["commit"] += 1
        if self._held and not held and self._commits:
            self._files_done, self._commits = self._files_at_lock, False
        self._held, self._wal = held, wal
        # dbt works under the lock. Without the lock, a new folder is from another run.
        self._builds = held and bool(self._build_folders() - self._builds_before)
        self.has_built |= self._builds

    def stage(self, run: Running) -> str:
        """The current stage.

        - ``extract``: it has sent requests since it last held the warehouse
        - ``landing``: files have arrived in the lake since then
        - ``load``: it holds the warehouse, and has files that are not committed
        - ``commit``: it has started to commit them
        - ``dbt``: dbt is running
        - ``start``, ``between``: none of these
        """
        self.look(run)
        return self._current_stage()

    def _current_stage(self) -> str:
        if self._builds:
            return "dbt"
        if self.has_built:
            return "between"
        if self._held and self._files_at_lock > self._files_done:
            return "commit" if self._commits else "load"
        if self._files() > self._files_at_lock:
            return "landing"
        if self.requests() > self._requests_at_lock:
            return "extract"
        return "between" if self.requests() else "start"

    def sighting(self, run: Running, stage: str, times: int = 1) -> Callable[[], bool]:
        """A function that returns whether the run is in the stage, or was in it at the last look.

        ``load`` and ``commit`` count when they occur for the given time. A run that never gets there counts in ``dbt``.
        """
        if stage == "extract":
            return lambda: (self.requests() >= self._threshold and self._current_stage() == "extract") or self._builds
        if stage == "landing":
            return lambda: (
                (self._landed() >= self._file_threshold and self._current_stage() == "landing") or self._builds
            )
        if stage in ("load", "commit"):
            return lambda: self._times[stage] >= times or self._builds
        if stage == "dbt":
            return lambda: self._builds
        if stage == "waiting":
            return lambda: self._waits_for_a_retry(run)
        raise ValueError(f"{stage!r} is not a valid stage → use extract, landing, load, commit, dbt or waiting")

    def leftovers(self) -> set[Path]:
        """The paths that would remain if all processes died now: unfinished files and dbt's folders."""
        folders = {self._workspace.temporary / name for name in self._build_folders()}
        return folders | set(self._workspace.lake.rglob("*.unfinished"))

    def _landed(self) -> int:
        return self._files() - self._files_before

    def _files(self) -> int:
        """The number of files in the lake, including unfinished ones."""
        return sum(len(files) for _, _, files in os.walk(self._workspace.lake))

    def _build_folders(self) -> set[str]:
        with suppress(OSError):
            return {name for name in os.listdir(self._workspace.temporary) if name.startswith("mdp-dbt-")}
        return set()

    def _wal_bytes(self) -> int:
        with suppress(OSError):
            return os.stat(f"{self._workspace.warehouse_file}.wal").st_size
        return 0

    def holds_lock(self, run: Running) -> bool:
        """Whether the run holds MDP's lock on the warehouse."""
        with suppress(OSError), open(f"{self._workspace.warehouse_file}.lock", "rb") as file:
            if file.read(32) != str(run.worker()).encode():
                return False
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(file, fcntl.LOCK_UN)
        return False

    def _waits_for_a_retry(self, run: Running) -> bool:
        if time.monotonic() < self._last_look + _LOOK_SECONDS:
            return False
        self._last_look = time.monotonic()
        events = self._workspace.home / "history" / "runs" / f"{run.run_id}.db"
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{events}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "select 1 from event_logs where dagster_event_type = 'STEP_UP_FOR_RETRY' limit 1"
            ).fetchone()
            return found is not None
        return False
