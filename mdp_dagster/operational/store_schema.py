"""The tables of the operational store: schema `shop`, from the declarations in `shop_reports.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mdp_dagster.connectors.base import ColumnType, FeedReport, Report
from mdp_dagster.operational.postgres import Connection
from mdp_dagster.operational.shop_reports import FEEDS

SCHEMA = "shop"
_SCHEMA_LOCK = 5_304_672_112_019  # any number that no shop has as its id

_TYPES = {
    ColumnType.INTEGER: "bigint",
    ColumnType.DECIMAL_TEXT: "numeric(20,4)",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMP: "timestamptz",
}

Columns = dict[str, str]
"""PostgreSQL's types by column name, in order."""

# Columns that only the store keeps: a change of them is not a new version of the document.
_ONLY_IN_THE_STORE: dict[str, Columns] = {
    "orders": {"fulfillment_status": "text", "updated_at": "timestamptz"},
    "products": {"updated_at": "timestamptz"},
    "variants": {"updated_at": "timestamptz"},
    "customers": {"updated_at": "timestamptz"},
    "shops": {"updated_at": "timestamptz"},
}

MOVING = ("order_items", "variants")
"""The tables with rows that can move from one document to another. An entry of a ledger stays in its order."""

_OF_A_DOCUMENT: Columns = {
    "digest": "bigint",
    "change_seq": "bigint not null",
    "sync_id": "text not null",
    "synced_at": "timestamptz not null",
    "deleted_at": "timestamptz",
}

_SYNCS: Columns = {
    "sync_id": "text not null",
    "shop_id": "bigint not null",
    "report": "text not null",
    "window_from": "timestamptz not null",
    "window_to": "timestamptz not null",
    "status": "text not null",
    "watermark": "timestamptz",
    "documents": "bigint not null",
    "new": "bigint not null",
    "changed": "bigint not null",
    "rejected": "bigint not null",
    "read_at": "timestamptz not null",
    "committed_at": "timestamptz not null",
    "content_digest": "text",
}

_REJECTS: Columns = {
    "sync_id": "text not null",
    "shop_id": "bigint not null",
    "report": "text not null",
    "window_from": "timestamptz not null",
    "table_name": "text not null",
    "row_id": "text not null",
    "document_id": "bigint",
    "reason": "text not null",
    "payload": "text not null",
    "rejected_at": "timestamptz not null default now()",
}


class StoreTable(NamedTuple):
    """A table of the store.

    Args:
        name: Its name in the schema.
        columns: Its columns.
        key: Its primary key; empty if it has none.
        indexes: The columns of each further index.
    """

    name: str
    columns: Columns
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()

    @property
    def id(self) -> str:
        """The name for SQL."""
        return f"{SCHEMA}.{self.name}"


def source_columns(report: Report) -> Columns:
    """Returns the columns that a report's rows bring into the store, also those that only the store keeps."""
    return {**_raw_columns(report), **_ONLY_IN_THE_STORE.get(report.name, {})}


def only_in_the_store(report: Report) -> tuple[str, ...]:
    """Returns the columns that raw does not receive."""
    return tuple(_ONLY_IN_THE_STORE.get(report.name, {}))


def _raw_columns(report: Report) -> Columns:
    return {column.name: _TYPES.get(column.type, "text") for column in report.columns}


def store_tables() -> Iterator[StoreTable]:
    """Yields all tables of the store."""
    for feed in FEEDS:
        columns = {**source_columns(feed), **_OF_A_DOCUMENT}
        yield StoreTable(feed.name, columns, feed.key, (("shop_id", "change_seq"),))
        for child in feed.children:
            if child.name in MOVING:
                yield StoreTable(child.name, source_columns(child), child.key, (feed.key,))
            else:  # one index instead of two is a third less work
                yield StoreTable(child.name, source_columns(child), (*feed.key, child.key[-1]))
    yield StoreTable("syncs", _SYNCS, ("sync_id", "shop_id", "report", "window_from"), (("shop_id", "report"),))
    yield StoreTable("rejects", _REJECTS, (), (("shop_id", "sync_id"),))


def document_id(report: FeedReport) -> str:
    """Returns the column that identifies a document within its shop."""
    return report.key[-1]


def prepare_store(connection: Connection) -> None:
    """Creates the schema, and every table and column that is missing. Changes nothing if all are there."""
    if _is_complete(connection):
        return
    with connection.transaction():
        connection.execute(f"select pg_advisory_xact_lock({_SCHEMA_LOCK})")
        if connection.execute("select 1 from pg_namespace where nspname = %s", [SCHEMA]).fetchone() is None:
            connection.execute(f"create schema {SCHEMA}")  # needs a right on the database, if only to find it there
        for table in store_tables():
            columns = [f"{name} {type_}" for name, type_ in table.columns.items()]
            key = [f"primary key ({', '.join(table.key)})"] if table.key else []
            connection.execute(f"create table if not exists {table.id} ({', '.join([*columns, *key])})")
            for column in columns:
                connection.execute(f"alter table {table.id} add column if not exists {column}")
            for index in table.indexes:
                name = f"{table.name}_by_{'_'.join(index)}"
                connection.execute(f"create index if not exists {name} on {table.id} ({', '.join(index)})")


def _is_complete(connection: Connection) -> bool:
    rows = connection.execute(
        "select table_name::text, column_name::text from information_schema.columns where table_schema = %s", [SCHEMA]
    ).fetchall()
    found = set(rows)
    return all((table.name, column) in found for table in store_tables() for column in table.columns)
