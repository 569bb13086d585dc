"""Adapts rows to a table: its columns, in its order, with its types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from mdp_dagster.warehouse.base import Append, Table, Unit, WarehouseError


def valid_units(units: Iterable[Unit]) -> tuple[list[Unit], BaseException | None]:
    """The units before the first error, and that error.

    The error is from ``units`` itself, or says that rows don't fit their table.
    """
    valid: list[Unit] = []
    try:
        for unit in units:
            valid.append(replace(unit, appends=[_conforming(append) for append in unit.appends]))  # noqa: PERF401
    except BaseException as error:
        return valid, error
    return valid, None


def _conforming(append: Append) -> Append:
    if not isinstance(append.rows, pa.Table):
        return append
    return Append(append.table, conform(append.rows, append.table))


def conform(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with exactly the table's columns. Raises ``WarehouseError`` for a missing column or a wrong type."""
    try:
        return rows.select(table.schema.names).cast(table.schema)
    except (KeyError, pa.ArrowException) as error:
        raise WarehouseError(f"{table.id} can't store the rows: {error} → correct the report's columns") from error
