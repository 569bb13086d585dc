"""Reads the extract ledger: what raw has of each day, and what a run has already committed.

The ledger's rule is: the newest extract of a day counts. Ingest applies it here and in `compared_days.py`; everything
that reads raw applies it through dbt's `current_extracts` macro. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.arrow import values
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.settling import hours_until_settled
from mdp_dagster.ingest.tables import EXTRACTS, report_table
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# For how long a run that continues another one accepts a day that the source was still changing.
_FRESH = timedelta(hours=24)


class CurrentDay(NamedTuple):
    """The newest extract of a day."""

    content_digest: str
    row_count: int
    effective_run_id: str
    contract_version: int


class CurrentDays:
    """The newest ledger rows of all accounts in a window."""

    def __init__(self, days: dict[tuple[str, date], CurrentDay], newest_extracts: dict[str, datetime]) -> None:
        self._days = days
        self._newest_extracts = newest_extracts

    def get(self, account_id: str, day: date) -> CurrentDay | None:
        """Returns the newest extract of a day; None if the day was never extracted."""
        return self._days.get((account_id, day))

    def newest_extract(self, account_id: str) -> datetime | None:
        """Returns when the account's newest extract of any report began; None if there is none."""
        return self._newest_extracts.get(account_id)


def current_days(warehouse: Warehouse, report: DayReport, window: DateWindow) -> CurrentDays:
    """Returns the newest ledger row of every account and day in the window."""
    rows = warehouse.query(
        f"""
        select account_id, date, {", ".join(CurrentDay._fields)}
        from {EXTRACTS.id}
        where {in_window(window)} and source = $source and report = $report
        qualify row_number() over (
            partition by account_id, date order by extracted_at desc, extract_run_id desc
        ) = 1
        """,
        {"source": report.source, "report": report.name},
    )
    # of any report: the order of two reports' extracts must be right even after the clock was set back
    newest = warehouse.query(
        f"""
        select account_id, max(extracted_at) as extracted_at
        from {EXTRACTS.id}
        where {in_window(window)} and source = $source
        group by account_id
        """,
        {"source": report.source},
    )
    account_ids, days, *found = map(values, rows.columns)
    known = map(CurrentDay._make, zip(*found, strict=True))  # several times faster than one call per row
    return CurrentDays(
        dict(zip(zip(account_ids, days, strict=True), known, strict=True)),
        {row["account_id"]: _utc(row["extracted_at"]) for row in newest.to_pylist()},
    )


def current_totals(warehouse: Warehouse, totals: DayReport, window: DateWindow) -> list[dict[str, Any]]:
    """Returns the current raw row of every account and day in the window with an extract of the totals.

    ``has_row`` is false for a day without activity, which has no row; its other columns are null.
    """
    columns = dict.fromkeys(amount.column for amount in totals.amounts.values())
    rows: list[dict[str, Any]] = warehouse.query(
        f"""
        select
            extracts.account_id, extracts.date, totals.extract_run_id is not null as has_row,
            {", ".join(f"totals.{column}" for column in columns)}
        from (
            select account_id, date, effective_run_id
            from {EXTRACTS.id}
            where {in_window(window)} and source = $source and report = $report
            qualify row_number() over (
                partition by account_id, date order by extracted_at desc, extract_run_id desc
            ) = 1
        ) as extracts
        left join (select * from {report_table(totals).id} where {in_window(window)}) as totals
            on extracts.account_id = totals.account_id
            and extracts.date = totals.date
            and extracts.effective_run_id = totals.extract_run_id
        """,
        {"source": totals.source, "report": totals.name},
    ).to_pylist()
    return rows


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=timezone.utc)


def committed_days(
    warehouse: Warehouse, report: DayReport, window: DateWindow, run_id: str, earlier_run_ids: Collection[str] = ()
) -> dict[str, set[date]]:
    """Returns the days that this run, or the unfinished runs that it continues, committed of each account.

    A day that the source was still changing when an earlier run extracted it counts for 24 hours only. Otherwise a run
    that is continued a week later would accept a day that was only partly filled.
    """
    settled_hours = hours_until_settled(report.lookback_days, report.processing_hours)
    earlier = {f"earlier_{n}": run for n, run in enumerate(earlier_run_ids)}
    rows = warehouse.query(
        f"""
        select distinct account_id, date
        from {EXTRACTS.id}
        where {in_window(window)} and source = $source and report = $report
            and (dagster_run_id = $run or (
                dagster_run_id in ({", ".join(f"${name}" for name in earlier) or "''"})
                and (
                    extracted_at >= $fresh
                    or extracted_at >= cast(date as timestamp) + interval {settled_hours} hour
                )
            ))
        """,
        {
            "source": report.source,
            "report": report.name,
            "run": run_id,
            "fresh": (utc_now() - _FRESH).replace(tzinfo=None),
            **earlier,
        },
    )
    days: dict[str, set[date]] = {}
    for account_id, day in zip(*map(values, rows.columns), strict=True):
        days.setdefault(account_id, set()).add(day)
    return days


def has_days(warehouse: Warehouse, report: DayReport, window: DateWindow) -> bool:
    """Returns whether any account has an extract of any day of the window."""
    rows = warehouse.query(
        f"select 1 from {EXTRACTS.id} where {in_window(window)} and source = $source and report = $report limit 1",
        {"source": report.source, "report": report.name},
    )
    return bool(rows.num_rows)


def accounts_with_days(warehouse: Warehouse, report: DayReport, window: DateWindow) -> set[str]:
    """Returns the accounts that have an extract of any day of the window."""
    rows = warehouse.query(
        f"select distinct account_id from {EXTRACTS.id} where {in_window(window)} and source = $source "
        "and report = $report",
        {"source": report.source, "report": report.name},
    )
    return set(values(rows.column("account_id")))
