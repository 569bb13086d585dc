"""The rows that a dbt test found, as a table on its check in the UI."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import dagster as dg

from mdp_dagster.warehouse.base import Warehouse, WarehouseError

_SHOWN = 20
_NAME = "failing_rows"
_ACCEPTED_NAME = "accepted_differences"
_ACCEPTED_COLUMN = "accepted_reason"
"""A row with a value in this column does not make its test fail."""


def failing_rows(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    """Returns the first rows of a test's SQL. An empty list if the query fails: the test already has its result."""
    try:
        rows: list[dict[str, Any]] = warehouse.query(f"select * from (\n{sql}\n) as found limit {_SHOWN}").to_pylist()
    except WarehouseError:
        return []
    return rows


def with_failing_rows(event: Any, found: dict[str, list[dict[str, Any]]]) -> Any:
    """Returns the event with the rows that its test found (``found``: by the test's unique id)."""
    if not isinstance(event, dg.AssetCheckResult):
        return event
    metadata = event.metadata or {}
    rows = found.get(str(metadata["unique_id"].value)) if "unique_id" in metadata else None
    if not rows:
        return event
    accepted = [row for row in rows if row.get(_ACCEPTED_COLUMN) is not None]
    failing = [row for row in rows if row.get(_ACCEPTED_COLUMN) is None]
    tables = {name: _table(of_name) for name, of_name in ((_NAME, failing), (_ACCEPTED_NAME, accepted)) if of_name}
    return event._replace(metadata={**metadata, **tables})


def _table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in rows]
    )


def _plain(value: Any) -> str | int | float | bool | None:
    """Returns a value that Dagster's tables accept. A decimal is never in scientific notation."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
