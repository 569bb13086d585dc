"""Reading the extract ledger: what we have of each day, and what a run has already committed.

The rule itself (the newest extract of a day counts) stands here for ingest and in dbt's `current_extracts` macro for
everything that reads raw; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timezone

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class CurrentDay:
    """The newest extract of a day."""

    content_digest: str
    effective_run_id: str
    contract_version: int
    extracted_at: datetime


class CurrentDays:
    """What the ledger says of each account and day of a window."""

    def __init__(self, days: dict[tuple[str, date], CurrentDay]) -> None:
        self._days = days

    def get(self, account_id: str, day: date) -> CurrentDay | None:
        return self._days.get((account_id, day))

    def newest_pull(self, account_id: str) -> datetime | None:
        """When the newest of the account's extracts began."""
        return max((d.extracted_at for (account, _), d in self._days.items() if account == account_id), default=None)


def current_days(warehouse: Warehouse, report: Report, window: DateWindow) -> CurrentDays:
    """The newest ledger row of every account and day in the window."""
    rows = warehouse.query(
        f"""
        select account_id, date, content_digest, effective_run_id, contract_version, extracted_at
        from {EXTRACTS.id}
        where {in_window(window)} and source = $source and report = $report
        qualify row_number() over (
            partition by account_id, date order by extracted_at desc, extract_run_id desc
        ) = 1
        """,
        {"source": report.source, "report": report.name},
    )
    return CurrentDays(
        {
            (row.pop("account_id"), row.pop("date")): CurrentDay(
                extracted_at=row.pop("extracted_at").replace(tzinfo=timezone.utc), **row
            )
            for row in rows.to_pylist()
        }
    )


def accounts_committed(warehouse: Warehouse, report: Report, window: DateWindow, dagster_run_id: str) -> set[str]:
    """The accounts of which a run has already committed every day of the window: a retry doesn't pull them again."""
    rows = warehouse.query(
        f"""
        select account_id
        from {EXTRACTS.id}
        where {in_window(window)} and source = $source and report = $report and dagster_run_id = $run
        group by account_id
        having count(distinct date) = {len(window)}
        """,
        {"source": report.source, "report": report.name, "run": dagster_run_id},
    )
    return set(rows.column("account_id").to_pylist())
