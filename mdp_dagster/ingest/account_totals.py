"""The account totals that an extract's answers are compared with: the newest known ones, and fresh ones."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from mdp_dagster.connectors.base import DataSourceConnector, DayReport, NotAnswered
from mdp_dagster.connectors.errors import ConnectorError, PlatformError, QuotaError
from mdp_dagster.ingest.amounts import Amounts, add_row, amounts_by_day
from mdp_dagster.ingest.answers import check_answer
from mdp_dagster.ingest.extraction import Answer, ExtractPlan
from mdp_dagster.ingest.ledger import current_totals
from mdp_dagster.ingest.tables import report_table
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

_DayOfAccount = tuple[str, date]


class AccountTotals:
    """The totals of the accounts of a plan. Only the amounts that the plan's report also has are in them.

    Several threads may share an instance.
    """

    def __init__(self, connector: DataSourceConnector, plan: ExtractPlan) -> None:
        """Reads and requests nothing."""
        self._connector = connector
        self._plan = plan
        self._report = next((report for report in connector.reports if report.name == plan.report.adds_up_to), None)
        self._lock = threading.Lock()
        self._known: dict[_DayOfAccount, Amounts] | None = None

    @property
    def exist(self) -> bool:
        """Whether the plan's report adds up to a report with totals."""
        return self._report is not None

    def known(self, account_id: str, days: Sequence[date]) -> dict[date, Amounts]:
        """Returns the newest known totals of an account, of the days that have one.

        The first call reads the totals of all accounts and days of the plan with one query.

        Raises:
            WarehouseError: The warehouse cannot be read.
        """
        with self._lock:
            if self._known is None:
                self._known = self._read()
        found = ((day, self._known.get((account_id, day))) for day in days)
        return {day: amounts for day, amounts in found if amounts is not None}

    def fresh(self, answer: Answer, days: Sequence[date]) -> dict[date, Amounts]:
        """Returns the totals that the source has now, of the days that it answers. They are not committed.

        Raises:
            PlatformError: No account of the source can be extracted.
            QuotaError: The account's quota is used up.
        """
        report, account = self._report, answer.account
        options = self._plan.options[account.account_id]
        found: dict[date, Amounts] = {}
        if report is None:
            return found
        try:
            for window in DateWindow.of_days(days[0], days[-1]).chunks(report.max_days_per_extract):
                parts = list(self._connector.extract(report, account, window))
                not_answered = {day for part in parts if isinstance(part, NotAnswered) for day in part.days}
                batches = [part for part in parts if not isinstance(part, NotAnswered)]
                rows = pa.Table.from_batches(batches, schema=report.schema)
                checked = check_answer(report, rows, window, options, account)
                if checked.rejects:
                    log.warning(
                        "%s %s %s: rejected rows, so the known totals count", report.table, account.account_id, window
                    )
                    continue
                amounts = amounts_by_day(report, checked.rows, options)
                answered = (day for day in window.days() if day not in not_answered)
                found |= {day: self._complete(report, amounts.get(day)) for day in answered}
        except (PlatformError, QuotaError):
            raise
        except ConnectorError as error:
            log.warning("%s %s: the known totals count, because: %s", report.table, account.account_id, error)
        return found

    def _read(self) -> dict[_DayOfAccount, Amounts]:
        if self._report is None:
            return {}
        totals: dict[_DayOfAccount, Amounts] = {}
        warehouse = self._plan.stores.warehouse
        with warehouse.session():
            warehouse.prepare([report_table(self._report)])  # nobody may have extracted the totals so far
            rows = current_totals(warehouse, self._report, self._plan.window)
        for row in rows:
            key = account_id, day = row["account_id"], row["date"]
            if (options := self._plan.options.get(account_id)) is not None:
                amounts: Amounts = {}
                if row["has_row"]:
                    add_row(amounts, self._report, row, options(day))
                totals[key] = self._complete(self._report, amounts)
        return totals

    def _complete(self, report: DayReport, amounts: Amounts | None) -> Amounts:
        """Returns the amounts that both reports have. A total without a row is 0."""
        return {name: (amounts or {}).get(name, 0.0) for name in report.amounts if name in self._plan.report.amounts}
