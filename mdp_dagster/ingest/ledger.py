"""Reading the extract ledger: what we have of each day, and what a run has already committed.

The rule itself (the newest extract of a day counts) stands here for ingest and in dbt's `current_extracts` macro for
everything that reads raw; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# How long a day that was still being rewritten counts as pulled, for a run that continues another.
_FRESH = timedelta(hours=24)


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


def accounts_committed(
    warehouse: Warehouse, report: Report, window: DateWindow, run_id: str, earlier_run_ids: Collection[str] = ()
) -> set[str]:
    """The accounts of which every day of the window is committed by this run, or by the unfinished ones that it
    continues: they aren't pulled again.

    What an earlier run committed counts unless it has aged: a day that the platform was still rewriting when it was
    pulled counts for a day only. Or a run that is continued a week later would show a half-filled day as done.
    """
    rows = warehouse.query(
        f"""
        select account_id
        from {EXTRACTS.id}
        where {in_window(window)} and source = $source and report = $report
            and (dagster_run_id = $run or (
                list_contains($earlier, dagster_run_id)
                and (extracted_at >= $fresh or date_diff('day', date, cast(extracted_at as date)) > $lookback)
            ))
        group by account_id
        having count(distinct date) = {len(window)}
        """,
        {
            "source": report.source,
            "report": report.name,
            "run": run_id,
            "earlier": list(earlier_run_ids) or [""],
            "fresh": (utc_now() - _FRESH).replace(tzinfo=None),
            "lookback": report.lookback_days,
        },
    )
    return set(rows.column("account_id").to_pylist())


def has_days(warehouse: Warehouse, report: Report, window: DateWindow) -> bool:
    """Whether any account's day of the window was ever pulled."""
    rows = warehouse.query(
        f"select 1 from {EXTRACTS.id} where {in_window(window)} and source = $source and report = $report limit 1",
        {"source": report.source, "report": report.name},
    )
    return bool(rows.num_rows)
