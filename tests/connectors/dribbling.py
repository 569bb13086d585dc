"""A server with an answer that never ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def dribbling_server(start: bytes, piece: bytes) -> Iterator[tuple[str, list[int]]]:
    """Answers each request with ``start``, then ``piece`` every 20 ms for ever. Yields its address and the requests."""
    listening = socket.create_server(("127.0.0.1", 0))
    requests: list[int] = []

    def answer(one: socket.socket) -> None:
        with one:
            try:
                one.recv(65_536)
                requests.append(1)
                one.sendall(start)
                while True:
                    one.sendall(piece)
                    time.sleep(0.02)
            except OSError:  # the client has cut the connection
                pass

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(one,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", requests
    finally:
        listening.close()
