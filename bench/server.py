"""The sandbox as a process that caches its answers, so that the bench measures MDP and not the sandbox.

With ``--copies`` every bench account of Google shows the rows of the first one, with its own campaign ids: millions of
rows, without generating millions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox import Sandbox, World
from sandbox.google_ads.protos import protos
from sandbox.meta_ads.wire import Request, Response

ROOT = Path(__file__).parents[1]
FIRST_BENCH_ACCOUNT = 9_000_000_008  # after the eight named accounts; sandbox/scale.py continues from there


class AnswerCache:
    """Answers by question. If several threads ask the same new question, one asks the sandbox and the others wait."""

    def __init__(self) -> None:
        self._answers: dict[object, Any] = {}
        self._locks: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, question: object, ask: Callable[[], Any]) -> Any:
        """The answer to a question."""
        with self._lock:
            lock = self._locks.setdefault(question, threading.Lock())
        with lock:
            if question not in self._answers:
                self._answers[question] = ask()
            return self._answers[question]


def cache_answers(sandbox: Sandbox, copies: bool, latency: float) -> None:
    """Make a sandbox cache Google's streams and Graph's answers to GET, and answer after ``latency`` seconds."""
    google, graph, known = sandbox.servers["google_ads"].grpc, sandbox.servers["meta_ads"].graph, AnswerCache()
    stream, handle = google.search_stream, graph.handle

    def search_stream(version: str, body: bytes, context: Any) -> Iterator[bytes]:
        time.sleep(latency)
        request = protos(version).stream_request.FromString(body)
        copy = int(request.customer_id) - FIRST_BENCH_ACCOUNT
        if not (copies and copy > 0 and " FROM customer_client" not in request.query):
            yield from known.get(body, lambda: list(stream(version, body, context)))
            return
        request.customer_id = str(FIRST_BENCH_ACCOUNT)
        first = known.get(
            request.SerializeToString(), lambda: list(stream(version, request.SerializeToString(), context))
        )
        for answer in first:
            yield _copy(protos(version).stream_response, answer, copy)

    def cached_handle(request: Request) -> Response:
        time.sleep(latency)
        params = {k: v for k, v in request.params.items() if k not in ("access_token", "appsecret_proof")}
        if request.method != "GET" or not request.path.endswith(("/insights", "/campaigns")):
            return handle(request)
        question = (request.path, json.dumps(params, sort_keys=True, default=str))
        answer = known.get(question, lambda: handle(request))
        if not isinstance(answer.body, str):
            answer.body = json.dumps(answer.body, ensure_ascii=False)
        return Response(answer.status, answer.body, dict(answer.headers))

    google.search_stream = search_stream  # type: ignore[method-assign]
    graph.handle = cached_handle  # type: ignore[method-assign]


def _copy(response: Any, answer: bytes, copy: int) -> bytes:
    message = response.FromString(answer)
    for row in message.results:
        row.customer.id = FIRST_BENCH_ACCOUNT + copy
        if row.HasField("campaign"):
            row.campaign.id += copy * 1_000_000
    return bytes(message.SerializeToString())


@contextmanager
def serving(
    folder: Path, accounts: int, campaigns: int, *, copies: bool = False, latency: float = 0.0
) -> Iterator[dict[str, str]]:
    """Run a server with ``accounts`` bench accounts per platform. Yields the environment for the SDKs."""
    folder.mkdir(parents=True, exist_ok=True)
    env_file = folder / "server.env"
    env_file.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "bench.server", str(folder), str(8 + accounts), str(campaigns),
        "--latency", str(latency), *(["--copies"] if copies else []),
    ]  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not env_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the sandbox did not start → see {folder / 'server.log'}")
            time.sleep(0.05)
        yield json.loads(env_file.read_text())
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Run the server until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("accounts", type=int)
    parser.add_argument("campaigns", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--copies", action="store_true")
    options = parser.parse_args()
    world = World(accounts=options.accounts, campaigns_per_account=options.campaigns)
    with Sandbox(world, options.folder / "sandbox") as sandbox:
        cache_answers(sandbox, options.copies, options.latency)
        written = options.folder / "server.env.new"
        written.write_text(json.dumps(sandbox.env))
        os.replace(written, options.folder / "server.env")
        threading.Event().wait()


if __name__ == "__main__":
    main()
