"""A time limit for a whole request. The libraries' own timeouts only limit each single wait.

A server that sends one byte a second stays within every read timeout. At the deadline, a thread shuts down the
connection's socket, so that the waiting read fails at once. One thread watches all requests of the process: to start
one for each request would take longer than many answers.
"""

from __future__ import annotations

import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

_CUT_AGAIN_SECONDS = 1.0


class SocketDeadline(ABC):
    """Limits the requests within the ``with`` block, in total.

    After the block, ``expired`` shows whether the limit cut the request; its answer, if there is one, is then not
    complete.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._lock = threading.Lock()
        self._finished = False

    @abstractmethod
    def open_sockets(self) -> Iterable[Any]:
        """Returns the sockets of the requests so far; None in place of one that is not open yet."""

    def __enter__(self) -> Self:
        _watch.add(self, time.monotonic() + self.seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:  # afterwards, another request may use the connection
            self._finished = True
        _watch.remove(self)

    def cut(self) -> None:
        """Shuts the sockets down, unless the block has ended."""
        with self._lock:
            if self._finished:
                return
            self.expired = True
            for sock in self.open_sockets():
                _shut_down(sock)


class _Watch:
    """The thread that cuts requests at their deadlines. It starts with the first request."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[SocketDeadline, float] = {}
        self._wakes_at = float("-inf")  # while the thread is awake, it sees every change
        self._thread: threading.Thread | None = None

    def add(self, deadline: SocketDeadline, due: float) -> None:
        with self._changed:
            self._due[deadline] = due
            if self._thread is None or not self._thread.is_alive():  # a fork has no other threads
                self._thread = threading.Thread(target=self._run, daemon=True, name="request-deadlines")
                self._thread.start()
            elif due < self._wakes_at:
                self._changed.notify()

    def remove(self, deadline: SocketDeadline) -> None:
        with self._changed:
            self._due.pop(deadline, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                late = [deadline for deadline, due in self._due.items() if due <= now]
                # again later, because a socket can't be shut down during its TLS handshake
                self._due.update(dict.fromkeys(late, now + _CUT_AGAIN_SECONDS))
                if not late:
                    self._wakes_at = min(self._due.values(), default=float("inf"))
                    self._changed.wait(min(self._wakes_at - now, threading.TIMEOUT_MAX))
                    self._wakes_at = float("-inf")
            for deadline in late:
                deadline.cut()


_watch = _Watch()


def _shut_down(sock: Any) -> None:
    with suppress(OSError):
        if sock is not None:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own method is not safe during a read
