"""Another program that has the warehouse open while a run wants it."""

from __future__ import annotations

import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from chaos import child_process
from chaos.place import Place
from chaos.processes import Running, start_holder
from chaos.stages import Watch


class Holder:
    """Once it has begun, it opens the file as soon as it can, says so, and has it open until it is let go."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: Any = None
        self._orders: Connection | None = None
        self._open = False
        self._contended_at: float | None = None

    @property
    def contended(self) -> bool:
        """Whether a run wanted the file while this program had it open."""
        return self._contended_at is not None

    def begin(self) -> bool:
        self._place.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
        self._process, self._orders = start_holder(child_process.hold_database, str(self._place.warehouse_file))
        return True

    def is_open(self, patience: float = 0) -> bool:
        with suppress(EOFError, OSError):
            if self._orders is not None and not self._open and self._orders.poll(patience):
                self._open = self._orders.recv() == "open"
        return self._open

    def look(self, watch: Watch, run: Running) -> None:
        """Who has MDP's own lock is about to open the file, and can't."""
        if not self.contended and self.is_open() and watch.holds_lock(run):
            self._contended_at = time.monotonic()

    def has_held_for(self, seconds: float) -> bool:
        """Since a run began to wait for it."""
        return self._contended_at is not None and time.monotonic() > self._contended_at + seconds

    def let_go(self) -> bool:
        if self._orders is not None:
            with suppress(OSError):
                self._orders.send("close")
            self._process.join(10)
            if self._process.is_alive():
                self._process.kill()
            self._orders = None
        self._open = False
        return True
