"""Finds the units that are committed already, with one query per table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.warehouse.base import Append, Table, Unit, in_window
from mdp_dagster.window import DateWindow

Query = Callable[[str, Mapping[str, Any]], pa.Table]
Key = tuple[tuple[str, Any], ...]


def uncommitted_units(query: Query, units: Iterable[Unit]) -> list[Unit]:
    """The units that must still be committed, without duplicates.

    A unit is committed if its last table has a row with its ``commit_key``.
    """
    remaining = without_duplicates(units)
    groups: dict[tuple[Table, tuple[str, ...]], list[Unit]] = {}
    for unit in remaining:
        if unit.commit_key:
            groups.setdefault((unit.appends[-1].table, tuple(sorted(unit.commit_key))), []).append(unit)
    committed = {
        (table, key)
        for (table, columns), group in groups.items()
        for key in _committed_keys(query, table, columns, group)
    }
    return [
        unit
        for unit in remaining
        if not unit.commit_key or (unit.appends[-1].table, _sorted_items(unit.commit_key)) not in committed
    ]


def without_duplicates(units: Iterable[Unit]) -> list[Unit]:
    """The units that append something. Of several units with the same ``commit_key``, only the first is kept."""
    kept, seen = [], set()
    for unit in units:
        if not unit.appends:
            continue
        if unit.commit_key:
            identity = unit.appends[-1].table, _sorted_items(unit.commit_key)
            if identity in seen:
                continue
            seen.add(identity)
        kept.append(unit)
    return kept


def _sorted_items(values: Mapping[str, Any]) -> Key:
    return tuple(sorted(values.items()))


def _committed_keys(query: Query, table: Table, columns: tuple[str, ...], units: list[Unit]) -> set[Key]:
    """The keys of committed rows that have one of the units' values in the first column.

    The caller compares the other columns, so that one statement is enough.
    """
    first = columns[0]
    values = sorted({unit.commit_key[first] for unit in units if unit.commit_key})
    parameters = {f"v{n}": value for n, value in enumerate(values)}
    condition = f"{first} in ({', '.join(f'${name}' for name in parameters)})"
    window = _days_of([unit.appends[-1] for unit in units], table)
    if window:
        condition += f" and {in_window(window, table.partition_column or '')}"
    rows = query(f"select distinct {', '.join(columns)} from {table.id} where {condition}", parameters).to_pylist()
    return {_sorted_items(row) for row in rows}


def _days_of(appends: list[Append], table: Table) -> DateWindow | None:
    """The days of the rows, to prune partitions. A committed unit has rows of the same days."""
    if table.partition_column is None:
        return None
    spans = [
        pc.min_max(rows.column(table.partition_column)).as_py()
        for append in appends
        if append.count
        for rows in append.parts()
    ]
    days = [day for span in spans for day in span.values() if day is not None]
    return DateWindow.of_days(min(days), max(days)) if days else None
