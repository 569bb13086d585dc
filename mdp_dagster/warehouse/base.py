"""The contract between MDP and a warehouse: small, so that an engine is one module."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mdp_dagster.window import DateWindow

RAW = "mdp_raw"
STAGING = "mdp_staging"
MARTS = "mdp_marts"


AS_OF_SUFFIX = re.compile(r"as_of_\d{8}t\d{6}(\d{6})?z", re.ASCII)
"""The suffix of datasets that show a past state, for example as_of_20261101t060000z."""


class WarehouseError(Exception):
    """The warehouse can't be used. The message names the warehouse and the remedy."""


def in_window(window: DateWindow, column: str = "date") -> str:
    """The SQL condition for the days of a window, with literals, because engines prune partitions by them."""
    return f"{column} >= date '{window.start}' and {column} < date '{window.end}'"


def same_columns(one: pa.Schema, other: pa.Schema) -> bool:
    """Whether both have the same names and types, in any order."""
    return {field.name: field.type for field in one} == {field.name: field.type for field in other}


@dataclass(frozen=True)
class Table:
    """A raw table, which is append-only. Engines without partitions or clusters ignore these options.

    ``require_partition_filter`` refuses statements without a filter on days. ``descriptions`` are by column name.
    """

    name: str
    description: str
    schema: pa.Schema
    partition_column: str | None = None
    cluster_columns: tuple[str, ...] = ()
    dataset: str = RAW
    require_partition_filter: bool = False
    descriptions: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def id(self) -> str:
        """The name for SQL: ``dataset.name``."""
        return f"{self.dataset}.{self.name}"


@dataclass(frozen=True)
class LandedRows:
    """Rows in a Parquet file of the lake.

    Args:
        address: The file's address.
        count: The number of rows.
        parts: Returns the rows with exactly the table's columns, a part at a time.
        exact: Whether the file itself has exactly the table's columns. Then an engine may load the file directly.
    """

    address: str
    count: int
    parts: Callable[[], Iterable[pa.Table]]
    exact: bool = True


@dataclass(frozen=True)
class Append:
    """Rows for one table, in memory or in the lake."""

    table: Table
    rows: pa.Table | LandedRows

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.rows.count if isinstance(self.rows, LandedRows) else int(self.rows.num_rows)

    def parts(self) -> Iterable[pa.Table]:
        """The rows, a part at a time, so that memory holds one part."""
        return self.rows.parts() if isinstance(self.rows, LandedRows) else [self.rows]


@dataclass(frozen=True)
class Unit:
    """Rows that are appended together or not at all. The last ``Append`` is the commit point.

    Args:
        appends: The rows for each table.
        commit_key: Values by column. If the last table has a row with these values, the unit is committed already and
            is skipped, so that a second commit changes nothing. Column names must not be reserved words.
    """

    appends: Sequence[Append]
    commit_key: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Statement:
    """A SQL statement, with the dataset and name of each table that it reads."""

    sql: str
    reads: Sequence[tuple[str, str]] = ()


class Warehouse(ABC):
    """The interface of a warehouse. Every method raises ``WarehouseError``.

    Timestamps are in UTC. Query results contain them as naive datetimes.
    """

    @property
    @abstractmethod
    def display_name(self) -> str:
        """The warehouse's name in messages."""

    @abstractmethod
    def prepare(self, tables: Sequence[Table]) -> None:
        """Create missing datasets and tables, and add missing columns. Idempotent."""

    @abstractmethod
    def commit(self, units: Iterable[Unit]) -> None:
        """Append the units. Each unit becomes visible completely or not at all."""

    @abstractmethod
    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a select statement. The SQL must be valid on every engine, with parameters written as ``$name``."""

    @contextmanager
    def batches(self, sql: str) -> Iterator[Iterable[pa.RecordBatch]]:
        """Run a select statement, and yield its rows in parts, for a result that is larger than the memory.

        Read all parts inside the ``with`` block, and run no other statement there.
        """
        yield self.query(sql).to_batches()

    @abstractmethod
    def tables(self) -> set[tuple[str, str]]:
        """The dataset and name of every table."""

    def has_table(self, dataset: str, name: str) -> bool:
        """Whether this table or view exists."""
        return (dataset, name) in self.tables()

    @abstractmethod
    def replace(self, units: Iterable[Unit], tables: Sequence[Table]) -> None:
        """Replace all rows of the tables with the units. Readers see either the old rows or the new ones."""

    @abstractmethod
    def drop_as_of(self, suffix: str) -> list[str]:
        """Drop the staging and marts of a past instant, ``<dataset>_<suffix>``.

        Returns:
            The dropped datasets.

        Raises:
            WarehouseError: the suffix is not one of a past instant, so that nothing else can be dropped.
        """

    @abstractmethod
    def exclusive(self) -> AbstractContextManager[None]:
        """Block all other MDP processes from writing raw or models inside the ``with`` block. Reentrant."""

    def session(self) -> AbstractContextManager[None]:
        """Share one connection among this thread's queries, if opening one is slow.

        Keep the block short, because other processes may have to wait.
        """
        return nullcontext()

    double_type = "double"
    """The engine's name of 64-bit floating point, for casts."""

    charges_for_reading = False
    """Whether the engine charges for the bytes that a statement reads."""

    def estimated_bytes(self, statements: Mapping[str, Statement], window: DateWindow) -> Mapping[str, int | None]:
        """The bytes that each statement over the window would be billed for. The estimate itself is free.

        None for a statement that reads a table that does not exist yet. Empty if reading is free.
        """
        return {}


def as_of_datasets(suffix: str) -> tuple[str, str]:
    """The datasets of a past instant. Raises ``WarehouseError`` for any other suffix."""
    if not AS_OF_SUFFIX.fullmatch(suffix):
        raise WarehouseError(
            f"{suffix!r} is not a valid suffix of a past instant → use one like as_of_20261101t060000z"
        )
    return f"{STAGING}_{suffix}", f"{MARTS}_{suffix}"
