"""Which units are there already: asked of the ledger, in one statement for each table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.warehouse.base import Append, Table, Unit, in_window
from mdp_dagster.window import DateWindow

Query = Callable[[str, Mapping[str, Any]], pa.Table]
Key = tuple[tuple[str, Any], ...]


def not_there_yet(query: Query, units: Iterable[Unit]) -> list[Unit]:
    """The units without those whose ``once`` stands in their last table, and each of them once."""
    todo = each_once(units)
    asked: dict[tuple[Table, tuple[str, ...]], list[Unit]] = {}
    for unit in todo:
        if unit.once:
            asked.setdefault((unit.appends[-1].table, tuple(sorted(unit.once))), []).append(unit)
    there = {(table, key) for (table, columns), some in asked.items() for key in _there(query, table, columns, some)}
    return [unit for unit in todo if not unit.once or (unit.appends[-1].table, _key(unit.once)) not in there]


def each_once(units: Iterable[Unit]) -> list[Unit]:
    """The units that append anything, without those that came before among them."""
    left, seen = [], set()
    for unit in units:
        if not unit.appends:
            continue
        if unit.once:
            identity = unit.appends[-1].table, _key(unit.once)
            if identity in seen:
                continue
            seen.add(identity)
        left.append(unit)
    return left


def _key(values: Mapping[str, Any]) -> Key:
    return tuple(sorted(values.items()))


def _there(query: Query, table: Table, columns: tuple[str, ...], units: list[Unit]) -> set[Key]:
    """By the values of one column in one statement; the others are compared here."""
    first = columns[0]
    wanted = sorted({unit.once[first] for unit in units if unit.once})
    names = {f"v{n}": value for n, value in enumerate(wanted)}
    condition = f"{first} in ({', '.join(f'${name}' for name in names)})"
    window = _days([unit.appends[-1] for unit in units], table)
    if window:
        condition += f" and {in_window(window, table.partition_column or '')}"
    listed = ", ".join(columns)
    found = query(f"select distinct {listed} from {table.id} where {condition}", names).to_pylist()
    return {_key(row) for row in found}


def _days(appends: list[Append], table: Table) -> DateWindow | None:
    """The days that the rows are of: a unit that is there is there with the same."""
    if table.partition_column is None:
        return None
    spans = [pc.min_max(append.read().column(table.partition_column)).as_py() for append in appends if append.count]
    days = [day for span in spans for day in span.values() if day is not None]
    return DateWindow.of_days(min(days), max(days)) if days else None
