"""What statements would be billed, before they are sent: by dry runs, which are free, and of clustered tables say the
most that it can be.

An emulator's dry runs may say 0. There, tables' metadata is asked instead: the rows of the window's partitions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud import bigquery

from mdp_dagster.warehouse.base import Statement
from mdp_dagster.warehouse.bigquery.errors import message_of
from mdp_dagster.warehouse.bigquery.loads import TIMEOUT
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

_AT_ONCE = 8
_BILLED_AT_LEAST = 10 * 1024**2
"""For each table in a statement (https://cloud.google.com/bigquery/pricing): with little data, most of the bill."""
_WIDTHS = {"BOOLEAN": 1, "BOOL": 1, "NUMERIC": 16, "STRING": 24}
"""Logical bytes of a value, as BigQuery counts them; a string has two more than its length. Others have eight."""

Query = Callable[[str], pa.Table]


def estimated_bytes(
    client: bigquery.Client,
    query: Query,
    statements: Mapping[str, Statement],
    window: DateWindow,
    labels: dict[str, str],
    emulated: bool,
) -> dict[str, int | None]:
    """Bytes by statement; None for one that can't be tried, as what it reads isn't there yet."""

    def dry_run(name: str) -> int | None:
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, labels=labels)
        try:
            job = client.query(statements[name].sql, job_config=config, timeout=TIMEOUT)
            return int(job.total_bytes_processed or 0)
        except NotFound:
            return None
        except GoogleAPICallError as error:  # the build will meet it, and say more
            log.warning("no estimate of %s: %s", name, message_of(error))
            return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = dict(zip(statements, pool.map(dry_run, statements), strict=True))
    if emulated and not any(read.values()):
        there = {table for name, one in statements.items() if read[name] is not None for table in one.reads}
        by_table = _window_bytes(client, query, there, window)
        for name, one in statements.items():
            if read[name] is not None:
                read[name] = sum(by_table.get(table, 0) for table in one.reads)
    return {name: _billed(read[name], one) for name, one in statements.items()}


def _billed(read: int | None, statement: Statement) -> int | None:
    return read and max(read, _BILLED_AT_LEAST * len(statement.reads))


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
