"""Another program that has the warehouse open while a run needs it."""

from __future__ import annotations

import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from chaos import child_process
from chaos.processes import Running, start_holder
from chaos.round_workspace import RoundWorkspace
from chaos.stages import Watch


class DatabaseHolder:
    """A process that opens the database as soon as possible, and keeps it open until ``release``."""

    def __init__(self, workspace: RoundWorkspace) -> None:
        self._workspace = workspace
        self._process: Any = None
        self._orders: Connection | None = None
        self._open = False
        self._contended_at: float | None = None

    @property
    def contended(self) -> bool:
        """Whether a run needed the file while this program had it open."""
        return self._contended_at is not None

    def begin(self) -> bool:
        """Start the process."""
        self._workspace.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
        self._process, self._orders = start_holder(child_process.hold_database, str(self._workspace.warehouse_file))
        return True

    def is_open(self, patience: float = 0) -> bool:
        """Whether the process has the database open. Waits up to ``patience`` seconds."""
        with suppress(EOFError, OSError):
            if self._orders is not None and not self._open and self._orders.poll(patience):
                self._open = self._orders.recv() == "open"
        return self._open

    def look(self, watch: Watch, run: Running) -> None:
        """Notice that a run needs the file: a run with MDP's own lock is about to open it, and can't."""
        if not self.contended and self.is_open() and watch.holds_lock(run):
            self._contended_at = time.monotonic()

    def has_held_for(self, seconds: float) -> bool:
        """Whether a run has been waiting for the file for this time."""
        return self._contended_at is not None and time.monotonic() > self._contended_at + seconds

    def release(self) -> bool:
        """Close the database, and end the process."""
        if self._orders is not None:
            with suppress(OSError):
                self._orders.send("close")
            self._process.join(120)
            if self._process.is_alive():
                self._process.kill()
            self._orders = None
        self._open = False
        return True
