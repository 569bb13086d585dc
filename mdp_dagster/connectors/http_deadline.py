"""A time limit for a whole HTTP request over ``requests``. The library's own timeouts only limit each single wait.

A server that sends one byte a second stays within every read timeout. At the deadline, a timer shuts down the
connection's socket, so that the waiting read fails at once. Imports ``requests``.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_CUT_AGAIN_SECONDS = 1.0
_current = threading.local()


class Deadline:
    """Limits the requests that this thread makes within the ``with`` block, in total.

    The session needs ``limit_session``. After the block, ``expired`` shows whether the limit cut the request; its
    answer, if there is one, is then not complete.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._connections: list[Any] = []
        self._sockets: list[Any] = []
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        _current.deadline = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:  # afterwards, another request may use the connection
            self._finished.set()
        self._timer.cancel()
        _current.deadline = None

    def watch(self, connection: Any) -> None:
        """Cuts this connection at the deadline.

        The socket is kept too: a connection without keep-alive forgets it before the answer is read.
        """
        self._connections.append(connection)
        self._sockets.append(connection.sock)

    def _expire(self) -> None:
        """Cuts the connections until the block ends. During a TLS handshake there is no socket to shut down."""
        while not self._finished.is_set():
            with self._lock:
                if self._finished.is_set():
                    return
                self.expired = True
                for sock in [*self._sockets, *(connection.sock for connection in self._connections)]:
                    _shut_down(sock)
            self._finished.wait(_CUT_AGAIN_SECONDS)


def limit_session(session: Session) -> None:
    """Makes a session's requests obey the ``Deadline`` of their thread."""
    adapter = _LimitedAdapter()
    for prefix in list(session.adapters):
        session.mount(prefix, adapter)


def _shut_down(sock: Any) -> None:
    with suppress(OSError):
        if sock is not None:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own method is not safe during a read


def _watch(connection: Any) -> None:
    deadline = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.watch(connection)


class _WatchedConnection(HTTPConnection):
    def connect(self) -> None:
        _watch(self)
        super().connect()
        _watch(self)

    def putrequest(self, *arguments: Any, **named: Any) -> None:
        _watch(self)
        super().putrequest(*arguments, **named)


class _WatchedSecureConnection(HTTPSConnection):
    def connect(self) -> None:
        _watch(self)
        super().connect()
        _watch(self)

    def putrequest(self, *arguments: Any, **named: Any) -> None:
        _watch(self)
        super().putrequest(*arguments, **named)


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecureConnection


_POOLS = {"http": _WatchedPool, "https": _WatchedSecurePool}


class _LimitedAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        if not proxy.lower().startswith("socks"):  # SOCKS has connection classes of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager
