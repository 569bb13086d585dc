"""A time limit for a whole request. The libraries' own timeouts only limit each single wait.

A server that sends one byte a second stays within every read timeout. At the deadline, a timer shuts down the
connection's socket, so that the waiting read fails at once.
"""

from __future__ import annotations

import socket
import threading
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
        self._finished = threading.Event()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    @abstractmethod
    def open_sockets(self) -> Iterable[Any]:
        """Returns the sockets of the requests so far; None in place of one that is not open yet."""

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:  # afterwards, another request may use the connection
            self._finished.set()
        self._timer.cancel()

    def _expire(self) -> None:
        """Cuts the connections until the block ends. During a TLS handshake there is no socket to shut down."""
        while not self._finished.is_set():
            with self._lock:
                if self._finished.is_set():
                    return
                self.expired = True
                for sock in self.open_sockets():
                    _shut_down(sock)
            self._finished.wait(_CUT_AGAIN_SECONDS)


def _shut_down(sock: Any) -> None:
    with suppress(OSError):
        if sock is not None:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own method is not safe during a read
