"""Who uses an embedded PostgreSQL server: the last one stops it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from mdp_dagster.operational.embedded_server import EmbeddedServerError, ensure_server, running, stop_server


@contextmanager
def server_stopped_afterwards(folder: Path) -> Iterator[None]:
    """Stops the server of a folder at the end of the block, if it runs by then and no other block of a process is open.

    The block does not start the server: the first run that needs it does. Blocks count across processes, by a shared
    lock on a file next to the folder. The kernel releases it when a process dies.

    Args:
        folder: The server's folder. It need not exist.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.with_name(f"{folder.name}.users"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a server can't have its data here either: what needs it reports the error
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            yield
        finally:
            if _is_last(descriptor):
                with suppress(EmbeddedServerError):  # it stays, and the next command uses it
                    if running(folder) is not None:
                        stop_server(folder)
    finally:
        os.close(descriptor)


@contextmanager
def server_started_meanwhile(folder: Path) -> Iterator[None]:
    """Starts the server of a folder in a thread, so that the first run that needs it does not wait for new data.

    If it does not start, the block continues: the run that needs it reports the error.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="postgres") as pool:
        pool.submit(ensure_server, folder)
        yield


def _is_last(descriptor: int) -> bool:
    """Returns whether no other block is open. Then none can open until the descriptor is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
