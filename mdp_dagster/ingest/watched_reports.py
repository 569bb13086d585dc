"""Which reports the probe compares to find late days."""

from __future__ import annotations

from dataclasses import dataclass

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.warehouse.base import MARTS, STAGING


@dataclass(frozen=True)
class AccountDayTable:
    """A table with rows by account and day, and its columns that identify them."""

    table: str
    dataset: str
    source_column: str = "source"
    account_column: str = "account_id"
    date_column: str = "date"

    @property
    def id(self) -> str:
        """The table's name with its dataset."""
        return f"{self.dataset}.{self.table}"


@dataclass(frozen=True)
class ShownBy(AccountDayTable):
    """The mart that shows a report's rows, and its column that identifies the extract of a row.

    ``facts_column``: the column with the digest of the account's facts. Without it, the facts are not compared.
    ``changes_table``: a table with the changes of rows, and the same columns. It also has days that the source emptied.
    ``measured_days``: a row shows how complete it is by now, measured on this number of days before it.
    """

    dataset: str = MARTS
    extract_run_column: str = "extract_run_id"
    facts_column: str = ""
    changes_table: str = ""
    measured_days: int = 0


@dataclass(frozen=True)
class ReconciledBy(AccountDayTable):
    """The table that compares a report's days with the account totals, and the verdict that makes a day late.

    ``acceptable``: the verdicts that a person can accept. ``accepted_column``: the column with the reason for it.
    """

    dataset: str = STAGING
    verdict_column: str = "verdict"
    unexplained: str = "unexplained"
    acceptable: tuple[str, ...] = ("unexplained", "total_lacks_conversions")
    metric_column: str = "metric"
    difference_column: str = "difference"
    accepted_column: str = "accepted_reason"


@dataclass(frozen=True)
class DetailReport:
    """A report that must be extracted again when the totals change.

    Args:
        report: The report.
        shown_by: The mart that shows its rows, to find days that were extracted but not built. Without it, such days
            are not looked for.
        reconciled_by: The table that compares its days with the totals, to find days that do not add up to them.
    """

    report: DayReport
    shown_by: ShownBy | None = None
    reconciled_by: ReconciledBy | None = None


@dataclass(frozen=True)
class WatchedReports:
    """The reports of one source that the probe compares.

    Args:
        totals: The account totals, which the probe extracts: one cheap request per account.
        details: All finer reports of the source. A day is late until each of them was extracted after the totals
            changed.
    """

    totals: DayReport
    details: tuple[DetailReport, ...]

    @property
    def source(self) -> str:
        """The source of all these reports."""
        return self.totals.source

    @property
    def detail_tables(self) -> list[str]:
        """The names of the raw tables of the finer reports."""
        return [detail.report.table for detail in self.details]

    @property
    def judged_tables(self) -> list[str]:
        """The names of the built tables in which the probe looks for late days."""
        read = [table for detail in self.details for table in (detail.shown_by, detail.reconciled_by) if table]
        return list(dict.fromkeys(table.table for table in read))
