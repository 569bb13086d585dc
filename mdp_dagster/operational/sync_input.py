"""The rows of a sync in temporary tables, where PostgreSQL joins children with their parents in any order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import psycopg

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.connectors.shop_documents import (
    COLUMNS,
    AgreementRow,
    CustomerRow,
    ItemRow,
    OrderRow,
    ProductRow,
    RejectedRow,
    SaleRow,
    ShopRow,
    VariantRow,
)
from mdp_dagster.operational.postgres import Connection
from mdp_dagster.operational.store_schema import Columns, document_id, source_columns

_ROWS_IN_MEMORY = 10_000
"""Of each table."""

_TABLES: dict[type, str] = {
    OrderRow: "orders",
    ItemRow: "order_items",
    AgreementRow: "order_agreements",
    SaleRow: "order_sales",
    ProductRow: "products",
    VariantRow: "variants",
    CustomerRow: "customers",
    RejectedRow: "rejected",
}

_AGREEMENTS: Columns = {
    "agreement_id": "bigint",
    "order_id": "bigint",
    "happened_at": "timestamptz",
    "reason": "text",
}
_REJECTED: Columns = {
    "table_name": "text",
    "row_id": "text",
    "document_id": "bigint",
    "agreement_id": "bigint",
    "reason": "text",
    "payload": "text",
}
# PostgreSQL's text has neither a NUL nor half a surrogate pair.
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def incoming(report: Report) -> str:
    """Returns the name of the temporary table with the rows of a report."""
    return f"in_{report.name}"


def load_rows(connection: Connection, report: FeedReport, parts: Iterable[Iterable[ShopRow]]) -> int:
    """Copies rows into temporary tables, and returns the number of parts. The transaction's end drops the tables.

    Args:
        connection: A connection with an open transaction.
        report: The report of the rows.
        parts: The rows of each file. A row belongs to the parent in its own part, because the same document can be in
            several parts, in different versions.
    """
    tables = _make_tables(connection, report)
    number = 0
    for number, part in enumerate(parts, 1):
        for name in tables:
            connection.execute(f"alter table in_{name} alter column part set default {number}")
        _copy_part(connection, part)
    _join_sales_to_orders(connection, report)
    for table in report.parts:
        connection.execute(f"analyze {incoming(table)} (part, {document_id(report)})")
    return number


def _make_tables(connection: Connection, report: FeedReport) -> list[str]:
    tables = {part.name: _in_order_of_rows(part) for part in report.parts}
    tables["rejected"] = _REJECTED
    if "order_sales" in tables:
        tables["order_agreements"] = _AGREEMENTS
    for name, columns in tables.items():
        listed = "".join(f", {column} {type_}" for column, type_ in columns.items())
        connection.execute(f"create temp table in_{name} (part integer not null{listed}) on commit drop")
    return list(tables)


def _in_order_of_rows(report: Report) -> Columns:
    types = source_columns(report)
    return {column: types[column] for column in COLUMNS[report.name]}


def _copy_part(connection: Connection, part: Iterable[ShopRow]) -> None:
    waiting: dict[type, list[ShopRow]] = {kind: [] for kind in _TABLES}
    for row in part:
        rows = waiting[row.__class__]
        rows.append(row)
        if len(rows) >= _ROWS_IN_MEMORY:
            _copy(connection, rows)
            rows.clear()
    for rows in waiting.values():
        if rows:
            _copy(connection, rows)


def _copy(connection: Connection, rows: Sequence[ShopRow]) -> None:
    """Copies rows of one kind. Texts that PostgreSQL can't store get a replacement character."""
    try:
        with connection.transaction():
            _write(connection, rows)
    except (psycopg.DataError, UnicodeEncodeError):
        if not any(_NOT_TEXT.search(value) for value in chain.from_iterable(rows) if isinstance(value, str)):
            raise
        _write(connection, [tuple(map(_storable, row)) for row in rows], type(rows[0]))


def _write(connection: Connection, rows: Sequence[tuple[Any, ...]], kind: type | None = None) -> None:
    name = _TABLES[kind or type(rows[0])]
    columns = ", ".join(_REJECTED if name == "rejected" else COLUMNS[name])
    with connection.cursor() as cursor, cursor.copy(f"copy in_{name} ({columns}) from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _storable(value: Any) -> Any:
    return _NOT_TEXT.sub("\ufffd", value) if isinstance(value, str) else value


def _join_sales_to_orders(connection: Connection, report: FeedReport) -> None:
    """Gives each sale the columns of its agreement. The order of a sale without one is null."""
    for child in report.children:
        if child.name != "order_sales":
            continue
        own = ", ".join(f"sale.{column}" for column in COLUMNS[child.name])
        connection.execute("analyze in_order_sales (part, agreement_id)")
        connection.execute("analyze in_order_agreements (part, agreement_id)")
        connection.execute(
            f"""
            create temp table in_joined on commit drop as
            select sale.part, {own}, event.order_id, event.happened_at, event.reason
            from in_order_sales as sale
            left join (select distinct part, {", ".join(_AGREEMENTS)} from in_order_agreements) as event
                on event.part = sale.part and event.agreement_id = sale.agreement_id
            """
        )
        connection.execute("drop table in_order_sales")
        connection.execute("alter table in_joined rename to in_order_sales")
