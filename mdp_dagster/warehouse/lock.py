"""An advisory file lock: one writer at a time among MDP's processes. The kernel releases it when a process dies."""

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
        """Hold the lock inside the ``with`` block.

        Raises:
            LockTimeout: another process or thread kept the lock for too long. The message names it.
        """
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
                # Closing alone is not enough: a process that was forked meanwhile would keep the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)
        finally:
            self._thread_lock.release()

    def _acquire(self) -> int:
        # The file is never deleted: if one process removed it while another waits on it, two could hold the lock.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        started = last_logged = time.monotonic()
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
                    if now - last_logged > _LOG_INTERVAL_SECONDS:
                        last_logged = now
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
