"""Batches as one table."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mdp_dagster.connectors.base import Report


def table_of(report: Report, batches: Sequence[pa.RecordBatch]) -> pa.Table:
    assert all(batch.schema == report.schema for batch in batches)
    return pa.Table.from_batches(batches, report.schema)
