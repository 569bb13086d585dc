"""DuckDB, the embedded default: one file, one writer at a time, without a server or an account."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from mdp_dagster.warehouse.already_committed import uncommitted_units
from mdp_dagster.warehouse.base import Append, Table, Unit, Warehouse, WarehouseError, as_of_datasets
from mdp_dagster.warehouse.conform import conform, valid_units
from mdp_dagster.warehouse.duckdb_tables import columns_of, create_statement, sql_type
from mdp_dagster.warehouse.lock import FileLock, LockTimeout

log = logging.getLogger(__name__)

_LOCKED_BY_ANOTHER_PROGRAM = "Could not set lock on file"
_DAMAGED = (
    "not a valid DuckDB database file",
    "Corrupt database file",
    "Could not read enough bytes",
    "Serialization Error",
    "INTERNAL Error",
)
_MAX_ROWS_PER_TRANSACTION = 25_000
_ROWS_PER_BATCH = 50_000
_DISK_FULL = ("No space left", "File too large", "quota exceeded")


class DuckDBWarehouse(Warehouse):
    """A warehouse in one DuckDB file.

    Connections are short, and there is one at a time. MDP's processes queue on a lock file next to the database. MDP
    waits while another program (a BI tool, a shell) has the file open. Data beyond ``memory_limit`` spills to disk next
    to the database.
    """

    def __init__(self, path: Path, lock_timeout_seconds: float = 1800, memory_limit: str = "320MiB") -> None:
        self.path = path.resolve()
        self._memory_limit = memory_limit
        self._timeout = lock_timeout_seconds
        self._session_state = threading.local()  # each thread has its own session
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"), lock_timeout_seconds)

    @property
    def display_name(self) -> str:
        """The file's path."""
        return str(self.path)

    def prepare(self, tables: Sequence[Table]) -> None:
        """Create missing schemas and tables, and add missing columns."""
        with self._connection() as connection:
            for dataset in sorted({table.dataset for table in tables}):
                connection.execute(f"create schema if not exists {dataset}")
            for table in tables:
                columns = columns_of(connection, table.id)
                if columns is None:
                    connection.execute(create_statement(table))
                    continue
                for field in table.schema:
                    if field.name not in columns:
                        connection.execute(f'alter table {table.id} add column "{field.name}" {sql_type(field.type)}')

    def commit(self, units: Iterable[Unit]) -> None:
        """Append the units in few transactions. Units before an invalid one are kept, then its error is raised."""
        valid, failure = valid_units(units)
        with self._exclusive():  # hold the lock throughout all transactions
            for batch in _batches(valid):
                self._commit_together(batch)
        if failure is not None:
            raise failure

    def _commit_together(self, units: Sequence[Unit]) -> None:
        """Commit in one transaction. If it fails, commit each unit alone, so that those before the bad one are kept."""
        with self._connection() as connection:
            try:
                with _transaction(connection):
                    _append(connection, units)
                return
            except Exception as error:
                if len(units) == 1:
                    raise
                log.warning("a transaction of %d units failed, each unit now gets its own: %s", len(units), error)
        for unit in units:
            self._commit_together([unit])

    def replace(self, units: Iterable[Unit], tables: Sequence[Table]) -> None:
        """Replace all rows of the tables in one transaction."""
        self.prepare(tables)
        with self._connection() as connection, _transaction(connection):
            for table in tables:
                connection.execute(f"delete from {table.id}")
            for batch in _batches(units):
                _append(connection, batch)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a select statement and return its rows."""
        with self._connection() as connection:
            relation = connection.sql(sql, params=dict(parameters) if parameters else None)
            if relation is None:
                raise WarehouseError(f"{self.path}: {sql!r} returns no rows → use a select statement")
            return relation.to_arrow_table()

    @contextmanager
    def batches(self, sql: str) -> Iterator[Iterable[pa.RecordBatch]]:
        """Run a select statement, and yield its rows in parts."""
        with (
            self._connection() as connection,
            connection.cursor() as cursor,
            cursor.sql(sql).to_arrow_reader(_ROWS_PER_BATCH) as reader,  # an open reader keeps the file open
        ):
            yield reader

    def tables(self) -> set[tuple[str, str]]:
        """The schema and name of every table."""
        with self._connection() as connection:
            rows = connection.execute("select schema_name, table_name from duckdb_tables() where not internal")
            return set(rows.fetchall())

    def has_table(self, dataset: str, name: str) -> bool:
        """Whether this table or view exists."""
        with self._connection() as connection:
            return columns_of(connection, f"{dataset}.{name}") is not None

    def drop_as_of(self, suffix: str) -> list[str]:
        """Drop the schemas of a past instant, and return their names."""
        datasets = as_of_datasets(suffix)
        with self._connection() as connection:
            existing = {name for (name,) in connection.execute("select schema_name from duckdb_schemas()").fetchall()}
            dropped = [name for name in datasets if name in existing]
            for name in dropped:
                connection.execute(f"drop schema {name} cascade")
        return dropped

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the file lock inside the ``with`` block."""
        return self._exclusive()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with ExitStack() as held:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(self._lock.held())
            except LockTimeout as error:
                raise WarehouseError(
                    f"{self.path} is in use: {error} → end that process, or raise MDP_LOCK_TIMEOUT_SECONDS"
                ) from error
            except OSError as error:
                raise WarehouseError(
                    f"{self.path} can't be used: {error} → set MDP_DUCKDB_PATH to a file in a writable folder"
                ) from error
            yield

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep one connection open inside the ``with`` block, and with it the file lock."""
        with self._connection() as connection:
            outer, self._session_state.connection = getattr(self._session_state, "connection", None), connection
            try:
                yield
            finally:
                self._session_state.connection = outer

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        session_connection = getattr(self._session_state, "connection", None)
        if session_connection is not None:
            try:
                yield session_connection
            except duckdb.Error as error:
                raise self._translated(error) from error
            return
        with self._exclusive():
            connection = self._connect()
            try:
                connection.execute(f"set TimeZone = 'UTC'; set memory_limit = '{self._memory_limit}'")
                yield connection
            except duckdb.Error as error:
                raise self._translated(error) from error
            finally:
                connection.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if self.path.is_file() and self.path.stat().st_size == 0:
            log.warning("%s is empty: a process died while it created the file; it is created again", self.path)
            self.path.unlink()
        deadline = time.monotonic() + self._timeout
        pause = 0.05
        while True:
            try:
                return duckdb.connect(str(self.path))
            except duckdb.Error as error:
                if _LOCKED_BY_ANOTHER_PROGRAM not in str(error) or time.monotonic() > deadline:
                    raise self._translated(error) from error
                if pause > 1:
                    log.info("waiting for another program to close the database: %s", error)
                time.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _translated(self, error: duckdb.Error) -> WarehouseError:
        text = str(error)
        if any(sign in text for sign in _DAMAGED):
            remedy = (
                "move the file away, run `python -m mdp_dagster rebuild-raw` to restore raw from the lake, then "
                "materialize the dbt models for the days that the marts had"
            )
        elif _LOCKED_BY_ANOTHER_PROGRAM in text:
            remedy = "close the program that has it open, or raise MDP_LOCK_TIMEOUT_SECONDS"
        elif any(sign in text for sign in _DISK_FULL):
            remedy = "free space on that disk, then run again; this transaction was rolled back"
        else:
            remedy = "see the message; this transaction was rolled back"
        return WarehouseError(f"{self.path}: {text} → {remedy}")


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # report the first error
            connection.execute("rollback")
        raise
    connection.execute("commit")


def _batches(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    """Group units into transactions: each transaction has a fixed cost, and its rows must fit into memory."""
    batch: list[Unit] = []
    rows = 0
    for unit in units:
        count = sum(append.count for append in unit.appends)
        if batch and rows + count > _MAX_ROWS_PER_TRANSACTION:
            yield batch
            batch, rows = [], 0
        batch.append(unit)
        rows += count
    if batch:
        yield batch


def _append(connection: duckdb.DuckDBPyConnection, units: Sequence[Unit]) -> None:
    def query(sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        return connection.sql(sql, params=dict(parameters)).to_arrow_table()

    incoming: dict[Table, list[Append]] = {}
    for unit in uncommitted_units(query, units):
        for append in unit.appends:
            if append.count:
                incoming.setdefault(append.table, []).append(append)
    for table, appends in incoming.items():
        _insert(connection, table, (rows for append in appends for rows in append.parts()))


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, parts: Iterable[pa.Table]) -> None:
    """Insert the rows from a stream: a transaction keeps every Arrow table that it was given, until it ends."""
    failures: list[BaseException] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for rows in parts:
                yield from conform(rows, table).to_batches()
        except BaseException as error:  # DuckDB would turn it into one of its own
            failures.append(error)
            raise

    connection.register("incoming", pa.RecordBatchReader.from_batches(table.schema, batches()))
    columns = ", ".join(f'"{field.name}"' for field in table.schema)
    try:
        connection.execute(f"insert into {table.id} ({columns}) select {columns} from incoming")
    except duckdb.Error:
        if failures:
            raise failures[0] from None
        raise
    connection.unregister("incoming")
