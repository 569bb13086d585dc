"""A time limit for a whole transfer over httpx.

The connection must be a new one: use a client that keeps no connection alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mdp_dagster.deadlines.socket_deadline import SocketDeadline


class TransferDeadline(SocketDeadline):
    """Limits the request with the extension ``trace``, within the ``with`` block."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._streams: list[Any] = []

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Notes each connection that httpcore opens. Pass it as ``extensions={"trace": ...}``."""
        stream = info.get("return_value")
        if event.endswith(".complete") and hasattr(stream, "get_extra_info"):
            self._streams.append(stream)

    def open_sockets(self) -> list[Any]:
        """Returns the sockets of the noted connections."""
        return [stream.get_extra_info("socket") for stream in list(self._streams)]
