"""A real PostgreSQL for the tests: the product's embedded server, on data that is deleted afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from mdp_dagster.operational.embedded_server import RunningServer, running_server


@contextmanager
def temporary_server(options: Mapping[str, str] | None = None) -> Iterator[RunningServer]:
    """Run a server without waiting for the disk: its data need not survive a crash."""
    folder = Path(tempfile.mkdtemp(prefix="mdp-postgres-"))  # another user can't reach pytest's folders
    try:
        with running_server(folder, {"fsync": "off", **(options or {})}) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[RunningServer]:
    """One server for all tests of a session. Tests use shops or databases of their own."""
    with temporary_server() as server:
        yield server
