"""A time limit for a whole transfer over httpx. The library's own timeouts only limit each single wait.

A server that sends one byte a second stays within every read timeout. At the deadline, a timer shuts down the
connection's socket, so that the waiting read fails at once. The connection must be a new one: use a client that keeps
no connection alive.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

_CUT_AGAIN_SECONDS = 1.0


class TransferDeadline:
    """Limits the request with the extension ``trace``, within the ``with`` block.

    After the block, ``expired`` shows whether the limit cut the transfer; what arrived is then not complete.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._streams: list[Any] = []
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Notes each connection that httpcore opens. Pass it as ``extensions={"trace": ...}``."""
        stream = info.get("return_value")
        if event.endswith(".complete") and hasattr(stream, "get_extra_info"):
            self._streams.append(stream)

    def __enter__(self) -> TransferDeadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._finished.set()
        self._timer.cancel()

    def _expire(self) -> None:
        """Cuts the connections until the block ends: a TLS handshake may only just have begun."""
        while not self._finished.is_set():
            with self._lock:
                if self._finished.is_set():
                    return
                self.expired = True
                for stream in list(self._streams):
                    _shut_down(stream.get_extra_info("socket"))
            self._finished.wait(_CUT_AGAIN_SECONDS)


def _shut_down(sock: Any) -> None:
    with suppress(OSError):
        if sock is not None:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own method is not safe during a read
