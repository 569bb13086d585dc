"""Units as a table takes them: its columns, in its order, of its types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from mdp_dagster.warehouse.base import Append, Table, Unit, WarehouseError


def sound(units: Iterable[Unit]) -> tuple[list[Unit], BaseException | None]:
    """The units up to the first that can't be taken, or can't be had, and what was wrong with that one."""
    taken: list[Unit] = []
    try:
        for unit in units:
            taken.append(replace(unit, appends=[_conforming(append) for append in unit.appends]))
    except BaseException as error:
        return taken, error
    return taken, None


def _conforming(append: Append) -> Append:
    if not isinstance(append.rows, pa.Table):
        return append
    return Append(append.table, conform(append.rows, append.table))


def conform(rows: pa.Table, table: Table) -> pa.Table:
    """Raises ``WarehouseError`` for rows that lack a column, or have one of another type."""
    try:
        return rows.select(table.schema.names).cast(table.schema)
    except (KeyError, pa.ArrowException) as error:
        raise WarehouseError(f"{table.id} can't take the rows: {error} → correct the report's columns") from error
