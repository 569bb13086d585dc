"""Connections to the operational store's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from mdp_dagster.operational.embedded_server import EmbeddedServerError, ensure_server
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.operational.postgres_errors import Address, read_address, translated_errors
from mdp_dagster.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

_OLDEST_VERSION = 14
CONNECT_SECONDS = 15


def store_address(settings: Settings) -> Address:
    """Returns the address in the settings. Without one, starts the embedded server, and returns its address.

    Raises:
        StoreError: The address is not valid, or the embedded server does not start.
    """
    if settings.shop_postgres_url is not None:
        return read_address(settings.shop_postgres_url.get_secret_value())
    try:
        return read_address(ensure_server(settings.shop_postgres_folder).url)
    except EmbeddedServerError as error:
        raise StoreError(str(error)) from error


@contextmanager
def connected(address: Address) -> Iterator[Connection]:
    """Yields a connection that commits each statement, unless a ``transaction`` block is open.

    Raises:
        StoreError: The server can't be reached, is too old, or refuses a statement of the block.
    """
    with (
        translated_errors(address),
        psycopg.connect(
            address.url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="mdp",
            prepare_threshold=None,  # a pooler in front of the server would lose prepared statements
        ) as connection,
    ):
        if connection.info.server_version < _OLDEST_VERSION * 10_000:
            raise StoreError(
                f"{address.display_name} has version {connection.info.server_version // 10_000} → MDP needs "
                f"PostgreSQL {_OLDEST_VERSION} or newer"
            )
        yield connection
