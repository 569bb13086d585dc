"""What statements would read, before they are sent: by dry runs, which are exact and free.

An emulator's dry runs say 0. There, tables' metadata is asked instead: the rows of the window's partitions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.cloud import bigquery

from mdp_dagster.warehouse.base import Statement
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

_AT_ONCE = 8
_WIDTHS = {"BOOLEAN": 1, "BOOL": 1, "NUMERIC": 16, "STRING": 24}
"""Logical bytes of a value, as BigQuery counts them; a string has two more than its length. Others have eight."""

Query = Callable[[str], pa.Table]


def estimated_bytes(
    client: bigquery.Client, query: Query, statements: Mapping[str, Statement], window: DateWindow
) -> dict[str, int | None]:
    """Bytes by statement; None for one that can't be tried, as its table isn't there yet."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tried = dict(zip(statements, pool.map(lambda one: _dry_run(client, one.sql), statements.values()), strict=True))
    if any(tried.values()):
        return tried
    there = {table for name, one in statements.items() if tried[name] is not None for table in one.reads}
    by_table = _window_bytes(client, query, there, window)
    return {
        name: None if tried[name] is None else sum(by_table.get(table, 0) for table in one.reads)
        for name, one in statements.items()
    }


def _dry_run(client: bigquery.Client, sql: str) -> int | None:
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    try:
        return int(client.query(sql, job_config=config).total_bytes_processed or 0)
    except (NotFound, Forbidden, BadRequest) as error:  # a missing table looks like one that mustn't be read
        log.debug("no estimate: %s", error)
        return None


def _window_bytes(
    client: bigquery.Client, query: Query, tables: set[tuple[str, str]], window: DateWindow
) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for dataset in sorted({dataset for dataset, _ in tables}):
        rows = query(
            f"""
            select table_name, sum(total_rows) as row_count, sum(total_logical_bytes) as bytes
            from {dataset}.INFORMATION_SCHEMA.PARTITIONS
            where partition_id >= '{window.start:%Y%m%d}' and partition_id < '{window.end:%Y%m%d}'
            group by table_name
            """
        ).to_pylist()
        for row in rows:
            table = dataset, row["table_name"]
            if table in tables:
                found[table] = int(row["bytes"] or 0) or int(row["row_count"]) * _row_width(client, table)
    return found


def _row_width(client: bigquery.Client, table: tuple[str, str]) -> int:
    schema = client.get_table(f"{client.project}.{table[0]}.{table[1]}").schema
    return sum(_WIDTHS.get(field.field_type, 8) for field in schema)
