"""Reads the store's changed documents as Arrow, all tables as of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.operational.postgres import CONNECT_SECONDS, connected
from mdp_dagster.operational.postgres_errors import Address, store_error
from mdp_dagster.operational.store_schema import SCHEMA, document_id, prepare_store

# Otherwise a sync that commits between two tables would separate an order from its items.
_ONE_MOMENT = r"-c default_transaction_isolation=repeatable\ read -c default_transaction_read_only=on"


class StoreChanges:
    """The changes in the store. Every method raises ``StoreError`` if PostgreSQL can't be used."""

    def __init__(self, address: Address) -> None:
        """Sends no request."""
        self._address = address

    @contextmanager
    def snapshot(self) -> Iterator[StoreSnapshot]:
        """Yields the store as of one moment."""
        from adbc_driver_manager import dbapi  # imported lazily, as only extracts need the driver
        from adbc_driver_postgresql.dbapi import connect

        with connected(self._address) as connection:
            prepare_store(connection)
        options = f"{conninfo_to_dict(self._address.url).get('options') or ''} {_ONE_MOMENT}".strip()
        address = make_conninfo(
            self._address.url, options=options, connect_timeout=CONNECT_SECONDS, application_name="mdp"
        )
        try:
            with connect(address) as opened, opened.cursor() as cursor:
                yield StoreSnapshot(cursor)
        except dbapi.Error as error:
            raise store_error(self._address, error) from None


class StoreSnapshot:
    """The store as of one moment. A shop is named by its domain, as in the clients file."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._shop_ids: dict[str, int] = dict(self._rows(f"select domain, shop_id from {SCHEMA}.shops"))

    @property
    def accounts(self) -> tuple[str, ...]:
        """The domains of all shops that were synced at least once."""
        return tuple(sorted(self._shop_ids))

    def newest(self, feed: FeedReport, account_id: str) -> int | None:
        """Returns the newest number of the account's documents; None without documents."""
        shop_id = self._shop_ids.get(account_id)
        [(newest,)] = self._rows(f"select max(change_seq) from {SCHEMA}.{feed.name} where shop_id = $1", [shop_id])
        return None if newest is None else int(newest)

    def changes(
        self, feed: FeedReport, part: Report, account_id: str, after: int, until: int
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows of one table that belong to documents with a number in ``(after, until]``.

        Columns: ``change_seq``, then those of the report. The documents themselves also have ``deleted_at`` and
        ``digest``, a number that differs if anything of the document differs.
        """
        columns = ", ".join(f"part.{column.name}" for column in part.columns)
        if part is feed:
            sql = f"select part.change_seq, part.deleted_at, part.digest, {columns} from {SCHEMA}.{part.name} as part"
            numbered = "part"
        else:
            id_, numbered = document_id(feed), "document"
            sql = (
                f"select document.change_seq, {columns} from {SCHEMA}.{part.name} as part "
                f"join {SCHEMA}.{feed.name} as document on document.shop_id = part.shop_id "
                f"and document.{id_} = part.{id_}"
            )
        condition = f"{numbered}.shop_id = $1 and {numbered}.change_seq > $2 and {numbered}.change_seq <= $3"
        self._cursor.execute(f"{sql} where {condition}", [self._shop_ids[account_id], after, until])
        for batch in self._cursor.fetch_record_batch():
            yield pa.record_batch([_plain(column) for column in batch.columns], names=batch.schema.names)

    def _rows(self, sql: str, parameters: list[Any] | None = None) -> list[Any]:
        self._cursor.execute(sql, parameters)
        rows: list[Any] = self._cursor.fetchall()
        return rows


def _plain(column: pa.Array) -> pa.Array:
    """Returns a numeric column as the text that PostgreSQL sends, which is exact."""
    return column.storage if isinstance(column, pa.ExtensionArray) else column
