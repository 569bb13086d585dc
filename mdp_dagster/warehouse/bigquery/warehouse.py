"""BigQuery as MDP's warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
from google.cloud import bigquery

from mdp_dagster.warehouse.already_committed import each_once, not_there_yet
from mdp_dagster.warehouse.base import Statement, Table, Unit, Warehouse, WarehouseError, as_of_datasets
from mdp_dagster.warehouse.bigquery.catalog import Catalog, DatasetOptions
from mdp_dagster.warehouse.bigquery.errors import translated_errors
from mdp_dagster.warehouse.bigquery.estimates import estimated_bytes
from mdp_dagster.warehouse.bigquery.loads import TIMEOUT, loads, run
from mdp_dagster.warehouse.bigquery.parameters import in_bigquerys_words, typed
from mdp_dagster.warehouse.bigquery.table_swap import swap_in
from mdp_dagster.warehouse.conform import sound
from mdp_dagster.window import DateWindow

_MAX_SECONDS = 3600


class Lease(Protocol):
    """What one process holds at a time, on whichever machine. Reentrant."""

    def held(self) -> AbstractContextManager[None]: ...

    def check(self) -> None:
        """Within ``held``: raises if another process may hold it by now."""


class BigQueryWarehouse(Warehouse):
    """Rows go first, the ledger last: what stands in the ledger is the commit point. Both by load jobs, which are whole
    or not at all, and load once (``loads.py``).

    ``lease``: commits, rebuilds of raw and builds of models take turns, as on an engine with one writer. BigQuery would
    let them overlap, but a build compares what its models read one after the other, and a rebuild exchanges tables.
    ``options``: of datasets that are made here; those that are there stay as they are. ``emulated``: dry runs may say
    0.
    """

    def __init__(
        self,
        connect: Callable[[], bigquery.Client],
        lease: Lease,
        options: DatasetOptions,
        max_bytes_per_query: int | None = None,
        emulated: bool = False,
    ) -> None:
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
    def place(self) -> str:
        return f"BigQuery project {self._client.project}"

    def prepare(self, tables: Sequence[Table]) -> None:
        with translated_errors(self.place):
            self._catalog.prepare(tables)

    def commit(self, units: Iterable[Unit]) -> None:
        good, failure = sound(units)
        if any(append.count for unit in good for append in unit.appends):
            with self._lease.held(), translated_errors(self.place):
                todo = not_there_yet(self.query, good)
                self._append([unit for unit in todo if unit.once], "")
                self._append([unit for unit in todo if not unit.once], uuid4().hex)
        if failure is not None:
            raise failure

    def _append(self, units: Sequence[Unit], salt: str) -> None:
        def salted(table: Table) -> str:
            return salt + self._catalog.generation(table)

        for appends in (
            [append for unit in units for append in unit.appends[:-1]],
            [append for unit in units for append in unit.appends[-1:]],
        ):
            todo = loads(appends, self._catalog.reference, salted, self._options.labels)
            run(self._client, todo, self._lease.check)

    def replace(self, units: Iterable[Unit], tables: Sequence[Table]) -> None:
        self.prepare(tables)
        with self._lease.held(), translated_errors(self.place):
            good, failure = sound(units)
            if failure is not None:
                raise failure
            swap_in(self._client, self._catalog, each_once(good), tables, self._lease.check)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        given = parameters or {}
        config = bigquery.QueryJobConfig(query_parameters=typed(given), labels=self._options.labels)
        if self._max_bytes is not None:
            config.maximum_bytes_billed = self._max_bytes
        with translated_errors(self.place):
            job = self._client.query(in_bigquerys_words(sql, given), job_config=config, timeout=TIMEOUT)
            result = job.result(timeout=_MAX_SECONDS)
            if not result.schema:
                raise WarehouseError(f"{self.place}: {sql!r} gives no rows → ask with a select")
            return _without_zone(result.to_arrow(create_bqstorage_client=False))

    def tables(self) -> set[tuple[str, str]]:
        with translated_errors(self.place):
            return set(self._catalog.tables())

    def drop_as_of(self, suffix: str) -> list[str]:
        with translated_errors(self.place):
            return self._catalog.drop(as_of_datasets(suffix))

    def exclusive(self) -> AbstractContextManager[None]:
        return self._lease.held()

    charges_for_reading = True

    def estimated_bytes(self, statements: Mapping[str, Statement], window: DateWindow) -> Mapping[str, int | None]:
        with translated_errors(self.place):
            return estimated_bytes(self._client, self.query, statements, window, self._options.labels, self._emulated)


def _without_zone(rows: pa.Table) -> pa.Table:
    """Instants as UTC without saying so, as from every engine."""
    for position, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            plain = rows.column(position).cast(pa.timestamp("us"))
            rows = rows.set_column(position, field.name, plain)
    return rows
