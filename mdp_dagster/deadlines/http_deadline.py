"""A time limit for a whole HTTP request over ``requests``. Imports ``requests``."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from mdp_dagster.deadlines.socket_deadline import SocketDeadline

if TYPE_CHECKING:
    from typing_extensions import Self

_current = threading.local()


class Deadline(SocketDeadline):
    """Limits the requests that this thread makes within the ``with`` block. The session needs ``limit_session``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._connections: list[Any] = []
        self._sockets: list[Any] = []

    def __enter__(self) -> Self:
        _current.deadline = self
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.leave_thread()

    def leave_thread(self) -> None:
        """Stops watching this thread's next requests. The limit of the requests so far continues."""
        if getattr(_current, "deadline", None) is self:
            _current.deadline = None

    def watch(self, connection: Any) -> None:
        """Cuts this connection at the deadline.

        The socket is kept too: a connection without keep-alive forgets it before the answer is read.
        """
        self._connections.append(connection)
        self._sockets.append(connection.sock)

    def open_sockets(self) -> list[Any]:
        """Returns the sockets that were watched, and those that the connections have now."""
        return [*self._sockets, *(connection.sock for connection in self._connections)]


def limit_session(session: Session, attempts: int = 0) -> None:
    """Makes a session's requests obey the ``Deadline`` of their thread.

    Args:
        session: The session.
        attempts: How often a failed connection is tried again.
    """
    adapter = _LimitedAdapter(max_retries=attempts)
    for prefix in list(session.adapters):
        session.mount(prefix, adapter)


def _watch(connection: Any) -> None:
    deadline = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.watch(connection)


class _Watched(HTTPConnection):
    """Gives its socket to the deadline of this thread."""

    def connect(self) -> None:
        _watch(self)
        super().connect()
        _watch(self)

    def putrequest(self, *arguments: Any, **named: Any) -> None:
        _watch(self)
        super().putrequest(*arguments, **named)


class _WatchedSecure(_Watched, HTTPSConnection):
    pass


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _WatchedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecure


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
