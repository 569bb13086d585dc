"""The sandbox as a whole: one world, the servers of all sources, and the variables that direct clients to them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sandbox.control import Control
from sandbox.faults import Faults
from sandbox.http_app import HttpServer, build_app
from sandbox.platforms import PlatformServer, ServerContext, sources
from sandbox.requestlog import RequestLog
from sandbox.world import World

if TYPE_CHECKING:
    from typing_extensions import Self

_HERE = ("localhost", "127.0.0.1")


class Sandbox:
    """Serves a world on 127.0.0.1 until it is stopped; a context manager.

    Args:
        world: The numbers to serve.
        state_dir: The folder for the certificate authority and the service account's key. They are used again while
            they are valid: gRPC reads its trusted authorities once per process.
        http_port: The port of the HTTP server; 0 for a free one.
        options: Options by source, such as ``{"google_ads": {"page_rows": 100}}``. Its server names them.
    """

    def __init__(
        self,
        world: World,
        state_dir: Path | str,
        *,
        http_port: int = 0,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.world = world
        self.faults = Faults()
        self.requests = RequestLog()
        self.state_dir = Path(state_dir)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._http = HttpServer(http_port)
        self.servers: dict[str, PlatformServer] = {
            name: source.new_server(self._context((options or {}).get(name, {}))) for name, source in sources().items()
        }

    def _context(self, options: Mapping[str, Any]) -> ServerContext:
        return ServerContext(self.world, self.faults, self.requests, self.state_dir, self.url, options)

    @property
    def url(self) -> str:
        """The address of the HTTP server: the platforms' routes, and `/_sandbox/…`."""
        return self._http.url

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that direct clients to this sandbox."""
        variables = {name: value for server in self.servers.values() for name, value in server.environment.items()}
        return {**variables, "no_proxy": _no_proxy()}

    def start(self) -> Self:
        """Starts all servers and returns the sandbox."""
        control = Control(self.world, self.faults, self.requests, self.forget_edits)
        routes = [route for server in self.servers.values() for route in server.routes()]
        self._http.start(build_app([*control.routes(), *routes]))
        for server in self.servers.values():
            server.start()
        return self

    def forget_edits(self) -> None:
        """Undoes everything that was changed by hand, in the world and in the data of every source."""
        self.world.forget_edits()
        for server in self.servers.values():
            server.forget_edits()

    def stop(self) -> None:
        """Stops all servers."""
        for server in reversed(self.servers.values()):
            server.stop()
        self._http.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _no_proxy() -> str:
    """The hosts that this process reaches without a proxy, and this machine: a proxy can't reach the sandbox."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in known.split(",") if name.strip()]
    return ",".join(dict.fromkeys([*names, *_HERE]))
