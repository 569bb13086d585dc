"""MDP's warehouse in BigQuery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
from google.cloud import bigquery

from mdp_dagster.warehouse.already_committed import uncommitted_units, without_duplicates
from mdp_dagster.warehouse.base import Statement, Table, Unit, Warehouse, WarehouseError, as_of_datasets
from mdp_dagster.warehouse.bigquery.catalog import Catalog, DatasetOptions
from mdp_dagster.warehouse.bigquery.errors import translated_errors
from mdp_dagster.warehouse.bigquery.estimates import CostEstimator
from mdp_dagster.warehouse.bigquery.loads import TIMEOUT, plan_loads, run_loads
from mdp_dagster.warehouse.bigquery.parameters import query_parameters, with_bigquery_placeholders
from mdp_dagster.warehouse.bigquery.table_swap import replace_tables
from mdp_dagster.warehouse.conform import valid_units
from mdp_dagster.window import DateWindow

_MAX_SECONDS = 3600


class Lease(Protocol):
    """A lock that one process holds at a time, among all machines. Reentrant."""

    def held(self) -> AbstractContextManager[None]:
        """Hold the lease inside the ``with`` block."""

    def check(self) -> None:
        """Inside ``held``: raises an error if another process may hold the lease by now."""


class BigQueryWarehouse(Warehouse):
    """A warehouse in a BigQuery project.

    A commit loads the rows first and the ledger last, so that the ledger is the commit point. Load jobs are atomic and
    take effect once (``loads.py``).

    Commits, rebuilds of raw and builds of models take turns through the lease. BigQuery would allow an
    overlap, but the models of a build must all see the same rows, and a rebuild replaces tables.
    """

    def __init__(
        self,
        connect: Callable[[], bigquery.Client],
        lease: Lease,
        options: DatasetOptions,
        max_bytes_per_query: int | None = None,
        emulated: bool = False,
    ) -> None:
        """Makes no request.

        Args:
            connect: Makes the client, before the first request.
            lease: Admits one writer at a time.
            options: For new datasets and tables. Existing ones keep theirs.
            max_bytes_per_query: BigQuery refuses a query that would be billed for more.
            emulated: Whether the client uses an emulator, with dry runs that may report 0 bytes.
        """
        self._connect = connect
        self._lease = lease
        self._options = options
        self._max_bytes = max_bytes_per_query
        self._emulated = emulated

    @cached_property
    def _client(self) -> bigquery.Client:
        with translated_errors("BigQuery"):
            return self._connect()

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self._client, self._options)

    @property
    def display_name(self) -> str:
        """The project's name."""
        return f"BigQuery project {self._client.project}"

    def prepare(self, tables: Sequence[Table]) -> None:
        """Create missing datasets and tables, and add missing columns."""
        with translated_errors(self.display_name):
            self._catalog.prepare(tables)

    def commit(self, units: Iterable[Unit]) -> None:
        """Append the units by load jobs. Units before an invalid one are kept, then its error is raised."""
        valid, failure = valid_units(units)
        if any(append.count for unit in valid for append in unit.appends):
            with self._lease.held(), translated_errors(self.display_name):
                remaining = uncommitted_units(self.query, valid)
                self._append([unit for unit in remaining if unit.commit_key], "")
                self._append([unit for unit in remaining if not unit.commit_key], uuid4().hex)
        if failure is not None:
            raise failure

    def _append(self, units: Sequence[Unit], salt: str) -> None:
        def salted(table: Table) -> str:
            return salt + self._catalog.generation(table)

        for appends in (
            [append for unit in units for append in unit.appends[:-1]],
            [append for unit in units for append in unit.appends[-1:]],
        ):
            loads = plan_loads(appends, self._catalog.reference, salted, self._options.labels)
            run_loads(self._client, loads, self._lease.check)

    def replace(self, units: Iterable[Unit], tables: Sequence[Table]) -> None:
        """Load temporary tables, then copy each over its target in one step."""
        self.prepare(tables)
        with self._lease.held(), translated_errors(self.display_name):
            valid, failure = valid_units(units)
            if failure is not None:
                raise failure
            replace_tables(self._client, self._catalog, without_duplicates(valid), tables, self._lease.check)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a select statement and return its rows."""
        with translated_errors(self.display_name):
            return _without_zone(self._rows(sql, parameters or {}).to_arrow(create_bqstorage_client=False))

    def _rows(self, sql: str, values: Mapping[str, Any]) -> Any:
        config = bigquery.QueryJobConfig(query_parameters=query_parameters(values), labels=self._options.labels)
        if self._max_bytes is not None:
            config.maximum_bytes_billed = self._max_bytes
        job = self._client.query(with_bigquery_placeholders(sql, values), job_config=config, timeout=TIMEOUT)
        result = job.result(timeout=_MAX_SECONDS)
        if not result.schema:
            raise WarehouseError(f"{self.display_name}: {sql!r} returns no rows → use a select statement")
        return result

    @contextmanager
    def batches(self, sql: str) -> Iterator[Iterable[pa.RecordBatch]]:
        """Run a select statement, and yield its rows a page at a time."""
        with translated_errors(self.display_name):
            result = self._rows(sql, {})
            yield result.to_arrow_iterable()

    def tables(self) -> set[tuple[str, str]]:
        """The dataset and name of every table in MDP's datasets."""
        with translated_errors(self.display_name):
            return set(self._catalog.tables())

    def drop_as_of(self, suffix: str) -> list[str]:
        """Drop the datasets of a past instant, and return their names."""
        with translated_errors(self.display_name):
            return self._catalog.drop(as_of_datasets(suffix))

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the lease inside the ``with`` block."""
        return self._lease.held()

    double_type = "float64"
    charges_for_reading = True

    def estimated_bytes(self, statements: Mapping[str, Statement], window: DateWindow) -> Mapping[str, int | None]:
        """The billed bytes of each statement, by dry runs."""
        with translated_errors(self.display_name):
            estimator = CostEstimator(self._client, self.query, self._options.labels, self._emulated)
            return estimator.billed_bytes(statements, window)


def _without_zone(rows: pa.Table) -> pa.Table:
    """The rows with naive timestamps in UTC, as every engine returns them."""
    for position, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            plain = rows.column(position).cast(pa.timestamp("us"))
            rows = rows.set_column(position, field.name, plain)
    return rows
