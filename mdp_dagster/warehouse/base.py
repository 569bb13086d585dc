"""The contract between MDP and a warehouse: small, so that an engine is one module."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Table:
    """A raw table: append-only. ``partition_column`` and ``cluster_columns`` matter where the engine has them."""

    name: str
    description: str
    schema: pa.Schema
    partition_column: str | None = None
    cluster_columns: tuple[str, ...] = ()
    dataset: str = RAW

    @property
    def id(self) -> str:
        return f"{self.dataset}.{self.name}"


@dataclass(frozen=True)
class Append:
    """Rows for one table."""

    table: Table
    rows: pa.Table


@dataclass(frozen=True)
class Unit:
    """What is appended whole or not at all. The last ``Append`` is its commit point.

    ``once``: values by column; if the last table has a row with them, the unit is there already and is left out. So
    to commit a second time changes nothing.
    """

    appends: Sequence[Append]
    once: Mapping[str, Any] | None = None


class Warehouse(ABC):
    """Timestamps go in and come out in UTC."""

    @abstractmethod
    def prepare(self, tables: Sequence[Table]) -> None:
        """Create the datasets and tables that are missing, and add the columns that are new. Idempotent."""

    @abstractmethod
    def commit(self, units: Iterable[Unit]) -> None:
        """Append. Each unit becomes visible whole or not at all."""

    @abstractmethod
    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Read. Parameters are written ``$name`` in the SQL."""

    @abstractmethod
    def tables(self) -> set[tuple[str, str]]:
        """Dataset and name of every table there is."""

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
        """Keep other MDP processes from writing meanwhile, where an engine has one writer. Reentrant."""
