"""The contract between a platform and the rest of MDP: reports, accounts, and ``DataSourceConnector``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa

from mdp_dagster.connectors.errors import ConnectorError
from mdp_dagster.window import DateWindow


class ColumnType(Enum):
    """How raw keeps a value: as the platform sent it. Text that must hold a number or JSON is checked on the way
    in, and converted in staging, once."""

    STRING = "string"
    INTEGER = "integer"
    DOUBLE = "double"
    INTEGER_TEXT = "integer_text"
    DECIMAL_TEXT = "decimal_text"
    JSON_TEXT = "json_text"

    @property
    def arrow(self) -> pa.DataType:
        return {ColumnType.INTEGER: pa.int64(), ColumnType.DOUBLE: pa.float64()}.get(self, pa.string())


@dataclass(frozen=True)
class Column:
    """One column of a report, in the platform's own unit and word."""

    name: str
    type: ColumnType
    description: str
    unit: str = ""


CountConversions = Callable[[Mapping[str, Any], str], float]
"""From a raw row, and the conversion type that is configured for its account (empty if none is)."""


def no_conversions(row: Mapping[str, Any], configured: str) -> float:
    """Of a report that counts none."""
    return 0.0


@dataclass(frozen=True)
class Report:
    """A table that a source can give. Declared once, here; raw tables, digests, checks and docs read it.

    ``key`` identifies a row within one account; with ``account_id`` it is the grain. ``day_column`` holds the day
    (ISO text) in the account's time zone. ``lookback_days``: how long the platform goes on rewriting a day.
    ``cost_column`` and ``cost_per_unit``: where the money stands, and how many of its units make one unit of the
    account's currency. ``conversions``: how many a raw row has; for telling people what moved, the models count by
    themselves.
    """

    source: str
    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    day_column: str
    lookback_days: int
    columns: tuple[Column, ...]
    cost_column: str
    cost_per_unit: int = 1
    history_months: int = 37
    max_days_per_extract: int = 92
    contract_version: int = 1
    conversions: CountConversions = no_conversions

    @property
    def table(self) -> str:
        """The raw table's name, without its dataset."""
        return f"raw_{self.source}__{self.name}"

    def spend(self, row: Mapping[str, Any]) -> float:
        """The money of a raw row, in the account's currency."""
        return float(row[self.cost_column] or 0) / self.cost_per_unit

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns that a connector yields, in order. All are nullable: what is missing is judged on ingest."""
        return pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])


@dataclass(frozen=True)
class PlatformAccount:
    """An ad account that can be pulled.

    ``listed_as`` is the id in clients.yaml that led here: the account itself, or the manager account that was
    expanded. ``currency`` (ISO 4217) and ``time_zone`` (IANA) are what the platform says; empty if it says nothing.
    """

    source: str
    account_id: str
    listed_as: str
    name: str = ""
    currency: str = ""
    time_zone: str = ""
    manager_id: str = ""


@dataclass(frozen=True)
class AccountFailure:
    """An account that could not be pulled, with the platform's own words."""

    source: str
    account_id: str
    error: ConnectorError


class DataSourceConnector(ABC):
    """One advertising platform, over the vendor's SDK.

    Threads may call ``extract`` side by side for different accounts, up to ``max_parallel_accounts``.
    Constructing one makes no request; missing credentials raise ``PlatformError`` on the first use.
    """

    source: ClassVar[str]
    reports: ClassVar[tuple[Report, ...]]
    max_parallel_accounts: int = 4

    @abstractmethod
    def accounts(self, listed: Sequence[str]) -> tuple[list[PlatformAccount], list[AccountFailure]]:
        """The accounts behind the ids in clients.yaml; manager accounts are expanded. One answer per account,
        even if it is listed both itself and through its manager (the direct listing wins).

        Raises ``PlatformError`` when no account can be reached for a common reason.
        """

    @abstractmethod
    def extract(self, report: Report, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        """The platform's rows for the window, every page of them, in ``report.schema``.

        A pull that breaks off raises; it never ends early in silence. So collect, then commit.
        Raises ``QuotaError``, ``AccountError``, ``PlatformError``, or ``TransientError`` after bounded tries.
        """

    @classmethod
    def report(cls, name: str) -> Report:
        """The report of that name; ``KeyError`` with the names there are, otherwise."""
        for report in cls.reports:
            if report.name == name:
                return report
        raise KeyError(f"{cls.source} has no report {name!r}; it has {', '.join(r.name for r in cls.reports)}")
