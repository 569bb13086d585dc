"""A Graph server with scripted answers, byte by byte: for answers that the sandbox does not give."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Reply:
    """An answer. A ``body`` of bytes or text is sent unchanged, and any other value is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    promised: int | None = None  # the content-length that the header claims
    seconds_per_byte: float = 0.0
    silent_seconds: float = 0.0


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    params: dict[str, str]


class ScriptedGraph:
    """A context manager. ``answer(asked, number)`` returns the reply to each request."""

    def __init__(self, answer: Callable[[Asked, int], Any]) -> None:
        self.asked: list[Asked] = []
        graph = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("content-length") or 0)
                query = parts.query or self.rfile.read(length).decode()
                asked = Asked(self.command, parts.path, dict(parse_qsl(query)))
                graph.asked.append(asked)
                reply = answer(asked, len(graph.asked))
                self._send(reply if isinstance(reply, Reply) else Reply(reply))

            do_POST = do_GET

            def _send(self, reply: Reply) -> None:
                body = reply.body
                time.sleep(reply.silent_seconds)
                if not isinstance(body, (bytes, str)):
                    body = json.dumps(body)
                raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw) if reply.promised is None else reply.promised))
                self.send_header("connection", "close")
                self.end_headers()
                if reply.seconds_per_byte:
                    for byte in raw:
                        self.wfile.write(bytes([byte]))
                        time.sleep(reply.seconds_per_byte)
                else:
                    self.wfile.write(raw)
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ScriptedGraph:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
