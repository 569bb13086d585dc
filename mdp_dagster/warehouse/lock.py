"""One writer at a time among MDP's processes: an advisory lock on a file, which the kernel takes from the dead."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
_LOG_INTERVAL_SECONDS = 15.0


class LockTimeout(Exception):
    """Another process held the lock for too long."""


class FileLock:
    """Exclusive between processes and between threads; reentrant within a thread."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        self._path = path
        self._timeout = timeout_seconds
        self._thread_lock = threading.RLock()
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises ``LockTimeout`` that names the process in the way."""
        if not self._thread_lock.acquire(timeout=min(self._timeout, threading.TIMEOUT_MAX)):
            raise LockTimeout(f"another thread of this process has held it for {self._timeout:g} s")
        try:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            descriptor = self._acquire()
            self._depth = 1
            try:
                yield
            finally:
                self._depth = 0
                # Closing alone would leave it to a process that was forked meanwhile.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)
        finally:
            self._thread_lock.release()

    def _acquire(self) -> int:
        # Never deleted: a lock file that one process removes while another waits on it would let two in.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        started = said = time.monotonic()
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    now = time.monotonic()
                    if now - started > self._timeout:
                        holder = self._holder(descriptor)
                        raise LockTimeout(f"process {holder} has held it for {self._timeout:g} s") from None
                    if now - said > _LOG_INTERVAL_SECONDS:
                        said = now
                        log.info("waiting for process %s, which holds %s", self._holder(descriptor), self._path)
                    time.sleep(_POLL_SECONDS)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @staticmethod
    def _holder(descriptor: int) -> str:
        return os.pread(descriptor, 32, 0).decode(errors="replace") or "unknown"
