"""Where a run is, noticed from outside: by the requests it makes, the files it leaves, the lock it holds. Nothing in
the product helps."""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress

from mdp_dagster.sandbox import Sandbox
from tests.chaos.place import Place
from tests.chaos.processes import Running

_LOOK_SECONDS = 0.3  # between looks into Dagster's events


class Watch:
    """Sees in which stage a run is. To be made before the run begins."""

    def __init__(self, place: Place, sandbox: Sandbox, chance: random.Random) -> None:
        self._place = place
        self._sandbox = sandbox
        self._requests_before = sandbox.requests.count()
        self._files_before = self._files()
        self._some = chance.randint(1, 30)  # a request, a file: which one
        self._looked = 0.0
        self._builds_before = self._build_folders()  # of runs that were killed

    def requests(self) -> int:
        """Those since the run began."""
        return self._sandbox.requests.count() - self._requests_before

    def builds(self) -> bool:
        """Whether dbt is at work, or was when it was killed."""
        return bool(self._build_folders() - self._builds_before)

    def sight(self, run: Running, stage: str) -> Callable[[], bool]:
        """Tells, each time it is asked, whether the run is in the stage."""
        if stage == "start":
            return lambda: True
        if stage == "extract":
            return lambda: self.requests() >= self._some
        if stage == "landing":
            return lambda: self._files() - self._files_before >= self._some
        if stage == "load":
            return lambda: self._holds_lock(run) and not self.builds() and self._files() > self._files_before
        if stage == "commit":
            return lambda: self._wal_bytes() > 0 and not self.builds() and self._files() > self._files_before
        if stage == "dbt":
            return self.builds
        if stage == "waiting":
            return lambda: self._waits_for_a_retry(run)
        raise ValueError(f"no stage {stage!r}")

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

    def _holds_lock(self, run: Running) -> bool:
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
