"""Where a run is, noticed from outside: by the requests it makes, the files it leaves, the lock it holds. Nothing in
the product helps."""

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

from chaos.place import Place
from chaos.processes import Running
from sandbox import Sandbox

_LOOK_SECONDS = 0.3  # between looks into Dagster's events


class Watch:
    """Sees in which stage a run is. To be made before the run begins, and to look again and again while it lasts."""

    def __init__(self, place: Place, sandbox: Sandbox, chance: random.Random) -> None:
        self._place = place
        self._sandbox = sandbox
        self._requests_before = sandbox.requests.count()
        self._some = chance.randint(1, 12)  # a request, a file: which one
        self._looked = 0.0
        self._builds_before = self._build_folders()  # of runs that were killed
        self._files_before = self._files_done = self._files_at_lock = self._files()  # done: committed
        self._requests_at_lock = 0
        self._wal = self._wal_bytes()
        self._held = self._commits = self._builds = False
        self._times: Counter[str] = Counter()
        self.has_built = False
        """dbt has been at work, and may be over."""

    def requests(self) -> int:
        """Those since the run began."""
        return self._sandbox.requests.count() - self._requests_before

    def look(self, run: Running) -> None:
        """What one look alone doesn't tell: whether what has landed is committed, and how often that came up."""
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
        # dbt works under the lock: a folder that comes meanwhile is another run's otherwise
        self._builds = held and bool(self._build_folders() - self._builds_before)
        self.has_built |= self._builds

    def stage(self, run: Running) -> str:
        """Where it is now: ``extract``: it has asked since it last had the warehouse; ``landing``: files have come in
        the lake since then; ``load``: it has the warehouse, and files that aren't committed; ``commit``: it has begun
        to commit them; ``dbt``: dbt is at work; ``start``, ``between``: none of it."""
        self.look(run)
        return self._seen()

    def _seen(self) -> str:
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

    def sight(self, run: Running, stage: str, times: int = 1) -> Callable[[], bool]:
        """Tells, each time it is asked, whether the run is in the stage, or was just now; of ``load`` and ``commit``,
        for so many times. A run that doesn't come to that is seen in dbt."""
        if stage == "extract":
            return lambda: (self.requests() >= self._some and self._seen() == "extract") or self._builds
        if stage == "landing":
            return lambda: (self._landed() >= self._some and self._seen() == "landing") or self._builds
        if stage in ("load", "commit"):
            return lambda: self._times[stage] >= times or self._builds
        if stage == "dbt":
            return lambda: self._builds
        if stage == "waiting":
            return lambda: self._waits_for_a_retry(run)
        raise ValueError(f"no stage {stage!r}")

    def leftovers(self) -> set[Path]:
        """What would stay if all died now: files that are being written, dbt's folders."""
        folders = {self._place.temporary / name for name in self._build_folders()}
        return folders | set(self._place.lake.rglob("*.unfinished"))

    def _landed(self) -> int:
        return self._files() - self._files_before

    def _files(self) -> int:
        """In the lake, with those that are being written."""
        return sum(len(files) for _, _, files in os.walk(self._place.lake))

    def _build_folders(self) -> set[str]:
        with suppress(OSError):
            return {name for name in os.listdir(self._place.temporary) if name.startswith("mdp-dbt-")}
        return set()

    def _wal_bytes(self) -> int:
        with suppress(OSError):
            return os.stat(f"{self._place.warehouse_file}.wal").st_size
        return 0

    def holds_lock(self, run: Running) -> bool:
        """Whether it has the warehouse to itself, among MDP's processes."""
        with suppress(OSError), open(f"{self._place.warehouse_file}.lock", "rb") as file:
            if file.read(32) != str(run.worker()).encode():
                return False
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(file, fcntl.LOCK_UN)
        return False

    def _waits_for_a_retry(self, run: Running) -> bool:
        if time.monotonic() < self._looked + _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        events = self._place.home / "history" / "runs" / f"{run.run_id}.db"
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{events}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "select 1 from event_logs where dagster_event_type = 'STEP_UP_FOR_RETRY' limit 1"
            ).fetchone()
            return found is not None
        return False
