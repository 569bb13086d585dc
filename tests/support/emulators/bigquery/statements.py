"""Parses SQL with sqlglot, as far as the checks need it."""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp

Name = tuple[str, str, str]
"""Project, dataset, table."""


@lru_cache(maxsize=256)
def parsed(sql: str) -> tuple[exp.Expr, ...]:
    """The statements of a script. Empty if sqlglot can't parse it, so that the emulator reports the error."""
    try:
        return tuple(statement for statement in sqlglot.parse(sql, read="bigquery") if statement is not None)
    except sqlglot.errors.SqlglotError:
        return ()


def name_of(table: exp.Table, project: str, dataset: str | None) -> Name | None:
    """The table's name. None for CTEs and temporary tables, which have no dataset."""
    parts = [part.name for part in table.parts]
    parts = [piece for part in parts for piece in part.split(".")]
    if len(parts) == 1 and dataset:
        return project, dataset, parts[0]
    if len(parts) == 2:
        return project, parts[0], parts[1]
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None


def tables_in(sql: str, project: str, dataset: str | None) -> set[Name]:
    found = {name_of(table, project, dataset) for statement in parsed(sql) for table in statement.find_all(exp.Table)}
    return {name for name in found if name is not None}
