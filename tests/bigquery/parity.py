"""Compares the models of two warehouses, row by row and type by type."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mdp_dagster.warehouse.base import in_window
from mdp_dagster.window import DateWindow
from tests.end_to_end.conftest import Platform

# Run ids and times differ between runs, and so does what the reconciliation measures between two times.
PROVENANCE = {
    *("extract_run_id", "ingested_at", "pulled_at", "seen_at"),
    *("campaigns_extracted_at", "campaigns_extract_run_id", "total_extracted_at", "total_extract_run_id"),
    *("minutes_apart", "allowance"),
}


def assert_same(one: Platform, other: Platform, window: DateWindow) -> dict[str, int]:
    """Compare the models. Returns the number of rows of each model."""
    counted = {}
    assert models(one).keys() == models(other).keys()
    for name, table in models(one).items():
        (types, rows), (types_there, rows_there) = content(one, table, window), content(other, table, window)
        assert types == types_there, name
        assert len(rows) == len(rows_there), name
        for row, row_there in zip(rows, rows_there, strict=True):
            assert row == row_there, name
        counted[name] = len(rows)
    return counted


def models(platform: Platform) -> dict[str, str]:
    """The address of each model's table."""
    tables = platform.warehouse.tables()
    there = {name: f"{dataset}.{name}" for dataset, name in tables if dataset in ("mdp_staging", "mdp_marts")}
    assert len(there) == 13
    return there


def content(platform: Platform, table: str, window: DateWindow) -> tuple[dict[str, pa.DataType], list[tuple[Any, ...]]]:
    found = platform.warehouse.query(f"select * from {table} where {in_window(window)}")
    compared = [name for name in found.column_names if name not in PROVENANCE]
    rows = [tuple(row[name] for name in compared) for row in found.to_pylist()]
    return {field.name: field.type for field in found.schema}, sorted(rows, key=repr)
