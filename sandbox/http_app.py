"""One HTTP server for everything that isn't gRPC: Google's token endpoint, the Graph API, the sandbox's own address."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.control import Control
from sandbox.google_ads.tokens import TokenRefused, Tokens
from sandbox.meta_ads import wire
from sandbox.meta_ads.graph import Graph

TOKEN_PATH = "/token"
_ABORT = "mdp.abort"
_START_TIMEOUT_S = 10


class HttpServer:
    """Serves on 127.0.0.1 in a thread of its own. The port is taken at once, so that others can be told of it."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, app: Starlette) -> None:
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
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=5)
        self._socket.close()


def build_app(graph: Graph, tokens: Tokens, control: Control) -> Starlette:
    """The routes: /token, /_sandbox/…, and everything else is Graph's."""

    async def token(request: Request) -> Response:
        try:
            return JSONResponse(tokens.exchange(await _form(request)))
        except TokenRefused as refused:
            return JSONResponse({"error": refused.error, "error_description": str(refused)}, status_code=400)

    async def graph_api(request: Request) -> Response:
        answer = await run_in_threadpool(graph.handle, await _graph_request(request))
        if answer.cut:
            request.scope[_ABORT]()
            return Response()
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body, ensure_ascii=False)
        return Response(body, answer.status, answer.headers)

    return Starlette(
        routes=[
            Route(TOKEN_PATH, token, methods=["POST"]),
            *control.routes(),
            Route("/{path:path}", graph_api, methods=["GET", "POST"]),
        ]
    )


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


async def _graph_request(request: Request) -> wire.Request:
    params = dict(request.query_params)
    if request.method == "POST":
        params |= await _form(request)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return wire.Request(
        method=request.method,
        path=request.url.path,
        url=str(request.url.replace(query="")),
        params=params,
        bearer=bearer if scheme.lower() == "bearer" else None,
    )


class _WithConnection:
    """Keeps the way to cut a connection at hand: ASGI has no word for it, but uvicorn's `send` belongs to one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Any = send
        scope[_ABORT] = lambda: connection.__self__.transport.abort()
        await self._app(scope, receive, send)
