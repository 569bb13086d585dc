"""Processes that tests kill or pause: real ones, with real signals."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from tests.support.limits import HANG_SECONDS

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["mdp_dagster.lake.lease.lease", "mdp_dagster.warehouse.duckdb"])


@contextmanager
def process(target: Any, *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    """A separate process, and a pipe to it. The pipe's other end is the function's last argument."""
    ours, theirs = _processes.Pipe()
    running = _processes.Process(target=target, args=(*arguments, theirs))
    running.start()
    theirs.close()
    try:
        yield running, ours
    finally:
        running.kill()
        running.join()
        ours.close()


def answer(pipe: Connection) -> Any:
    assert pipe.poll(HANG_SECONDS), "no answer"
    return pipe.recv()
