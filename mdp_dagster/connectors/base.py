"""The contract between a source and the rest of MDP: its reports, its accounts, and ``DataSourceConnector``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from functools import cached_property
from typing import ClassVar

import pyarrow as pa

from mdp_dagster.connectors.amount import AccountOptions as AccountOptions
from mdp_dagster.connectors.amount import Amount as Amount
from mdp_dagster.connectors.attributes import NO_ATTRIBUTES, Attributes
from mdp_dagster.connectors.errors import ConnectorError
from mdp_dagster.window import DateWindow


class ColumnType(Enum):
    """The type that raw stores a value with, which is the type that the source sent.

    Text that must hold a number or JSON is checked on ingest and converted once, in staging.
    """

    STRING = "string"
    INTEGER = "integer"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    INTEGER_TEXT = "integer_text"
    DECIMAL_TEXT = "decimal_text"
    JSON_TEXT = "json_text"

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of the column."""
        return _ARROW_TYPES.get(self, pa.string())


_ARROW_TYPES = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Column:
    """One column of a report, in the source's own unit and vocabulary.

    Args:
        name: The column's name.
        type: The type that raw stores its values with.
        description: What the column contains, for people.
        unit: The unit of its values.
        essential: Whether a value of the wrong type rejects the row: keys, days, money, and counts that KPIs use. In
            another column, staging makes such a value null and flags it, and the row stays.
    """

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    essential: bool = True


CURRENCY_UNIT = "the account's currency"
"""The unit of a column with money."""
MICROS_UNIT = "millionths of the account's currency"
"""The unit of a column with money in millionths."""

_UNITS_PER_ONE = {CURRENCY_UNIT: 1, MICROS_UNIT: 1_000_000}


@dataclass(frozen=True, kw_only=True)
class Report:
    """A table that a source can deliver. Raw tables, digests, checks and docs all follow from this declaration.

    Args:
        source: The source's name, as in ``google_ads``.
        name: The report's name, unique within its source.
        description: What the report contains, for people.
        grain: What one row is, for people.
        key: The columns that identify a row within one account.
        columns: The columns in the order in which the connector yields them.
        amounts: The quantities of the report that the marts show, by name. A day changed for people if one of them did.
        contract_version: Increases when the meaning of a column changes, so that unchanged days are loaded again.
    """

    source: str
    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    amounts: Mapping[str, Amount] = field(default_factory=dict, hash=False)
    contract_version: int = 1

    @property
    def table(self) -> str:
        """The raw table's name, without its dataset."""
        return f"raw_{self.source}__{self.name}"

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns that a connector yields, in order. All are nullable: ingest rejects rows without their key."""
        return pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])


@dataclass(frozen=True, kw_only=True)
class DayReport(Report):
    """A report that is extracted by day: an answer for a day contains all of that day's rows.

    The newest extract of a day replaces the earlier ones.

    Args:
        day_column: The column with the day (ISO text) in the account's time zone. It is part of the key.
        period_end_column: The column with the last day that a row covers. It must be the day of the row.
        account_id_column: The column with the id of the row's account. It must be the extracted account.
        currency_column: The column with the currency of the row's money. It must be the account's currency.
        lookback_days: For how many days the source keeps changing a day.
        history_months: For how many months back the source delivers days.
        processing_hours: How many hours after the end of the lookback the source may still be processing a day.
        max_days_per_extract: How many days one request may cover; longer windows are split into chunks.
        checkpoint_ages: Ages in days at which a day is extracted once more, although its totals have not moved.
        attribute_columns: Columns that cost a request. A reload takes them from the extracts of the last 24 hours.
        adds_up_to: The name of the source's report with the account totals, if the rows of a day add up to its row.
    """

    day_column: str
    lookback_days: int
    history_months: int
    period_end_column: str = ""
    account_id_column: str = ""
    currency_column: str = ""
    processing_hours: int = 0
    max_days_per_extract: int = 92
    adds_up_to: str = ""
    checkpoint_ages: tuple[int, ...] = ()
    attribute_columns: tuple[str, ...] = ()

    @property
    def is_total(self) -> bool:
        """Whether a day of an account is one row: then the row has the account's totals."""
        return self.key == (self.day_column,)

    def __post_init__(self) -> None:
        """Checks that the declaration does not contradict itself.

        Raises:
            ValueError: A declared column does not exist, the key or the day is not essential, or an amount has another
                unit than its column.
        """
        columns = {column.name: column for column in self.columns}
        declared = (*self.key, self.day_column, *(amount.column for amount in self.amounts.values()))
        facts = (self.period_end_column, self.account_id_column, self.currency_column)
        if missing := [name for name in (*declared, *filter(None, facts)) if name not in columns]:
            raise ValueError(f"{self.table}: there is not a column {', '.join(missing)}")
        side = [name for name in (*self.key, self.day_column) if not columns[name].essential]
        if side:
            raise ValueError(f"{self.table}: the key and the day must be essential: {', '.join(side)}")
        for name, amount in self.amounts.items():
            units = _UNITS_PER_ONE.get(columns[amount.column].unit)
            if amount.is_money and units not in (None, amount.units_per_one):
                raise ValueError(
                    f"{self.table}: the amount {name} has {amount.units_per_one} units per one, and its column "
                    f"{amount.column} is in {columns[amount.column].unit}"
                )


@dataclass(frozen=True, kw_only=True)
class FeedReport(Report):
    """A report that is extracted by change: an extract contains every document that changed since the last one, whole.

    A document is a row of this report and its rows in ``children``. The newest version of a document replaces the
    earlier ones.

    Args:
        children: The tables with the documents' parts. Each has the key of the document among its columns.
    """

    children: tuple[Report, ...] = ()

    @property
    def parts(self) -> tuple[Report, ...]:
        """The report itself, then its children."""
        return (self, *self.children)

    def __post_init__(self) -> None:
        """Checks that the declaration does not contradict itself.

        Raises:
            ValueError: A table does not have the columns of its own key, or of the document's key.
        """
        for part in self.parts:
            names = {column.name for column in part.columns}
            if missing := [name for name in (*self.key, *part.key) if name not in names]:
                raise ValueError(f"{part.table}: there is not a column {', '.join(missing)}")


@dataclass(frozen=True)
class NotAnswered:
    """Days of the requested window that the source did not answer, for example because it has not exported them yet.

    Such a day is not an empty day: MDP keeps the rows that it has, and the ledger gets no row for this extract.
    """

    days: frozenset[date]


@dataclass(frozen=True)
class PlatformAccount:
    """An account that can be extracted.

    Args:
        source: The account's source.
        account_id: The account's own id.
        listed_as: The id in the clients file that led to the account: its own, or that of its manager account.
        name: The account's name at the source.
        currency: ISO 4217 code reported by the source; empty if the source does not report one.
        time_zone: IANA name reported by the source; empty if the source does not report one.
        manager_id: The manager account through which the account is reached, if there is one.
        also_listed_as: Other ids in the clients file that lead to the account.
    """

    source: str
    account_id: str
    listed_as: str
    name: str = ""
    currency: str = ""
    time_zone: str = ""
    manager_id: str = ""
    also_listed_as: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccountFailure:
    """An account that could not be looked up, with the source's own error message."""

    source: str
    account_id: str
    error: ConnectorError


class DataSourceConnector(ABC):
    """Access to one source, through the vendor's SDK.

    Several threads may call ``extract`` for different accounts, up to ``max_parallel_accounts``.
    The constructor sends no request. Missing credentials raise ``PlatformError`` on first use.
    """

    source: ClassVar[str]
    reports: ClassVar[tuple[DayReport, ...]]
    max_parallel_accounts: int = 4
    """How many accounts may be extracted at the same time."""
    known_attributes: Mapping[str, Attributes] = NO_ATTRIBUTES  # by account id; other entities are requested

    @abstractmethod
    def accounts(self, listed: Sequence[str]) -> tuple[list[PlatformAccount], list[AccountFailure]]:
        """Returns the accounts behind the ids of the clients file, and the ids that could not be looked up.

        Manager accounts are expanded. Each account is returned once, even if it is listed both directly and through
        its manager; the direct listing has priority.

        Raises:
            PlatformError: No account can be reached, for a reason that all of them share.
        """

    @abstractmethod
    def extract(
        self, report: DayReport, account: PlatformAccount, window: DateWindow
    ) -> Iterator[pa.RecordBatch | NotAnswered]:
        """Yields all rows of the window in ``report.schema``.

        Every day of the window counts as answered, with or without rows, unless a ``NotAnswered`` names it. An
        extract that breaks off raises an error; it never ends early without one. Callers therefore collect all rows
        before they commit any.

        Raises:
            QuotaError: The account's quota is used up; the error names a delay.
            AccountError: This account cannot be extracted.
            PlatformError: No account of the source can be extracted.
            TransientError: The request failed, also after a limited number of retries.
        """

    @classmethod
    def report(cls, name: str) -> DayReport:
        """Returns the report with that name.

        Raises:
            KeyError: The source has no such report; the message lists those that it has.
        """
        for report in cls.reports:
            if report.name == name:
                return report
        raise KeyError(f"{cls.source} has no report {name!r}; it has {', '.join(r.name for r in cls.reports)}")
