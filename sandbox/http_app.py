"""One HTTP server for everything that isn't gRPC: the platforms' routes, and the sandbox's own address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

ALL_PATHS = "/{path:path}"
_ABORT = "mdp.abort"
_START_TIMEOUT_S = 300  # only catches a hang


class HttpServer:
    """Serves on 127.0.0.1 in its own thread. It takes the port at once, so that others can use the address."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, app: Starlette) -> None:
        """Serves the app from a thread, and returns when it accepts requests."""
        config = uvicorn.Config(
            _WithConnection(app),
            log_config=None,  # the process's own logging stays as it is
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="sandbox-http", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the sandbox's HTTP server didn't start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stops the server and closes its port."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=5)
        self._socket.close()


def build_app(routes: Iterable[BaseRoute]) -> Starlette:
    """An app with these routes. A route for all paths comes last, so that it hides no other one."""
    return Starlette(routes=sorted(routes, key=lambda route: getattr(route, "path", "") == ALL_PATHS))


async def form(request: Request) -> dict[str, str]:
    """The fields of a form in the request's body."""
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def cut_connection(request: Request) -> Response:
    """Cuts the request's connection. The response never arrives."""
    request.scope[_ABORT]()
    return Response()


class _WithConnection:
    """Gives each request a function that cuts its connection: ASGI has none, but uvicorn's `send` belongs to one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Any = send
        scope[_ABORT] = lambda: connection.__self__.transport.abort()
        await self._app(scope, receive, send)
