"""Estimates what statements would be billed, by dry runs, which are free. For clustered tables it is an upper bound.

An emulator's dry runs may report 0 bytes. Then the estimate uses the row counts of the window's partitions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud import bigquery

from mdp_dagster.warehouse.base import Statement
from mdp_dagster.warehouse.bigquery.errors import error_message
from mdp_dagster.warehouse.bigquery.loads import TIMEOUT
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

_PARALLEL_DRY_RUNS = 8
_MIN_BILLED_BYTES = 10 * 1024**2
"""BigQuery's minimum per table in a statement (https://cloud.google.com/bigquery/pricing)."""
_VALUE_BYTES = {"BOOLEAN": 1, "BOOL": 1, "NUMERIC": 16, "STRING": 24}
"""Logical bytes of a value, as BigQuery counts them. A string has its length plus two. Other types have eight."""

Query = Callable[[str], pa.Table]


@dataclass(frozen=True)
class CostEstimator:
    """Estimates billed bytes. ``emulated``: the client uses an emulator."""

    client: bigquery.Client
    query: Query
    labels: dict[str, str]
    emulated: bool

    def billed_bytes(self, statements: Mapping[str, Statement], window: DateWindow) -> dict[str, int | None]:
        """Billed bytes by statement. None for a statement that reads a table that does not exist yet."""
        with ThreadPoolExecutor(_PARALLEL_DRY_RUNS) as pool:
            estimates = dict(zip(statements, pool.map(self._dry_run, statements, statements.values()), strict=True))
        if self.emulated and not any(estimates.values()):
            possible = {name: one for name, one in statements.items() if estimates[name] is not None}
            bytes_by_table = self._window_bytes({table for one in possible.values() for table in one.reads}, window)
            for name, one in possible.items():
                estimates[name] = sum(bytes_by_table.get(table, 0) for table in one.reads)
        return {name: _billed(estimates[name], one) for name, one in statements.items()}

    def _dry_run(self, name: str, statement: Statement) -> int | None:
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, labels=self.labels)
        try:
            job = self.client.query(statement.sql, job_config=config, timeout=TIMEOUT)
            return int(job.total_bytes_processed or 0)
        except NotFound:
            return None
        except GoogleAPICallError as error:  # the build will raise it with more detail
            log.warning("no estimate of %s: %s", name, error_message(error))
            return None

    def _window_bytes(self, tables: set[tuple[str, str]], window: DateWindow) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for dataset in sorted({dataset for dataset, _ in tables}):
            rows = self.query(
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
                    found[table] = int(row["bytes"] or 0) or int(row["row_count"]) * self._row_width(table)
        return found

    def _row_width(self, table: tuple[str, str]) -> int:
        schema = self.client.get_table(f"{self.client.project}.{table[0]}.{table[1]}").schema
        return sum(_VALUE_BYTES.get(field.field_type, 8) for field in schema)


def _billed(estimate: int | None, statement: Statement) -> int | None:
    return estimate and max(estimate, _MIN_BILLED_BYTES * len(statement.reads))
