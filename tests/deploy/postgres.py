"""A real PostgreSQL on loopback for Dagster's storage."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.support.postgres import temporary_server

PASSWORD = "p@ss/w:rd%#"  # each of these has a meaning in a URL
_NAME = "dagster"


@contextmanager
def running_postgres() -> Iterator[dict[str, str]]:
    """Run the server. Yields the variables that `deploy/dagster.yaml` reads. The data is deleted afterwards."""
    with temporary_server({"max_connections": "100"}) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("create role dagster login password {}").format(PASSWORD))
            connection.execute("create database dagster owner dagster")
        yield {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(server.port),
            "DAGSTER_POSTGRES_DB": _NAME,
            "DAGSTER_POSTGRES_USER": _NAME,
            "DAGSTER_POSTGRES_PASSWORD": PASSWORD,
        }


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
