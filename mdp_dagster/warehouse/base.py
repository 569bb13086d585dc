"""The contract between MDP and a warehouse: small, so that an engine is one module."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mdp_dagster.window import DateWindow

RAW = "mdp_raw"
STAGING = "mdp_staging"
MARTS = "mdp_marts"


AS_OF_SUFFIX = re.compile(r"as_of_\d{8}t\d{6}(\d{6})?z", re.ASCII)
"""What the names of datasets end with that show the past: as_of_20261101t060000z."""


class WarehouseError(Exception):
    """The warehouse can't be used. Names the place and the remedy."""


def in_window(window: DateWindow, column: str = "date") -> str:
    """The SQL condition for the days of a window. With literals: they are what an engine prunes partitions by."""
    return f"{column} >= date '{window.start}' and {column} < date '{window.end}'"


def same_columns(one: pa.Schema, other: pa.Schema) -> bool:
    """Whether both have the same names and types, in whatever order."""
    return {field.name: field.type for field in one} == {field.name: field.type for field in other}


@dataclass(frozen=True)
class Table:
    """A raw table: append-only. What follows the schema matters where the engine has it.

    ``require_partition_filter``: refuse statements that would read every day there is. ``descriptions``: of the
    columns, by name.
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
        return f"{self.dataset}.{self.name}"


@dataclass(frozen=True)
class LandedRows:
    """Rows in a Parquet file of the lake. ``exact``: it has the table's columns and no others, so that an engine which
    reaches the file may load it as it is; what ``read`` gives has them in any case."""

    address: str
    count: int
    read: Callable[[], pa.Table]
    exact: bool = True


@dataclass(frozen=True)
class Append:
    """Rows for one table: at hand, or landed."""

    table: Table
    rows: pa.Table | LandedRows

    @property
    def count(self) -> int:
        return self.rows.count if isinstance(self.rows, LandedRows) else int(self.rows.num_rows)

    def read(self) -> pa.Table:
        return self.rows.read() if isinstance(self.rows, LandedRows) else self.rows


@dataclass(frozen=True)
class Unit:
    """What is appended whole or not at all. The last ``Append`` is its commit point.

    ``once``: values by column, whose name no engine takes for a word of its own; if the last table has a row with them,
    the unit is there already and is left out. So to commit a second time changes nothing.
    """

    appends: Sequence[Append]
    once: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Statement:
    """A statement that is going to be sent. ``reads``: dataset and name of the tables in it."""

    sql: str
    reads: Sequence[tuple[str, str]] = ()


class Warehouse(ABC):
    """Timestamps go in and come out in UTC; they come out without their zone, as naive datetimes.

    Every method raises ``WarehouseError``.
    """

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, in words for people."""

    @abstractmethod
    def prepare(self, tables: Sequence[Table]) -> None:
        """Create the datasets and tables that are missing, and add the columns that are new. Idempotent."""

    @abstractmethod
    def commit(self, units: Iterable[Unit]) -> None:
        """Append. Each unit becomes visible whole or not at all."""

    @abstractmethod
    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Read. Parameters are written ``$name`` in the SQL, which all engines must understand."""

    @abstractmethod
    def tables(self) -> set[tuple[str, str]]:
        """Dataset and name of every table there is."""

    def has(self, dataset: str, name: str) -> bool:
        """Whether there is such a table, or view."""
        return (dataset, name) in self.tables()

    @abstractmethod
    def replace(self, units: Iterable[Unit], tables: Sequence[Table]) -> None:
        """Empty the tables and fill them with the units, so that a reader sees the old rows or the new ones."""

    @abstractmethod
    def drop_as_of(self, suffix: str) -> list[str]:
        """Remove the staging and marts of a past instant, ``<dataset>_<suffix>``, and say which there were.

        Nothing that isn't named so can be removed by it: raises ``WarehouseError`` for another suffix.
        """

    @abstractmethod
    def exclusive(self) -> AbstractContextManager[None]:
        """Keep every other MDP process from writing meanwhile, raw and models alike. Reentrant."""

    def session(self) -> AbstractContextManager[None]:
        """What this thread asks inside may share a connection, where opening one costs time. Keep it short: other
        processes may have to wait."""
        return nullcontext()

    def state(self) -> Hashable | None:
        """Is another one after every commit, whoever's; None where that can't be told for nothing."""
        return None

    charges_for_reading = False
    """Whether statements are paid for by the bytes that they read."""

    def estimated_bytes(self, statements: Mapping[str, Statement], window: DateWindow) -> Mapping[str, int | None]:
        """What each statement over the window would be billed for; None for one whose table isn't there yet. Costs
        nothing, and reads nothing. Nothing is told where an engine doesn't charge for it."""
        return {}


def as_of_datasets(suffix: str) -> tuple[str, str]:
    """The datasets of a past instant. Raises ``WarehouseError`` for a suffix that isn't an instant's."""
    if not AS_OF_SUFFIX.fullmatch(suffix):
        raise WarehouseError(f"{suffix!r} is no past instant's → one like as_of_20261101t060000z")
    return f"{STAGING}_{suffix}", f"{MARTS}_{suffix}"
