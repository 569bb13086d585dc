"""Reads the extract ledger: what raw has of each day, and what a run has already committed.

The ledger's rule is: the newest extract of a day counts. Ingest applies it here; everything that reads raw applies it
through dbt's `current_extracts` macro. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.arrow import values
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.ingest.watched_reports import DetailReport
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# For how long a run that continues another one accepts a day that the source was still changing.
_FRESH = timedelta(hours=24)


class CurrentDay(NamedTuple):
    """The newest extract of a day."""

    content_digest: str
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


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=timezone.utc)


def accounts_committed(
    warehouse: Warehouse, report: DayReport, window: DateWindow, run_id: str, earlier_run_ids: Collection[str] = ()
) -> set[str]:
    """Returns the accounts of which this run, or the unfinished runs that it continues, committed the whole window.

    A day that the source was still changing when an earlier run extracted it counts for 24 hours only. Otherwise a run
    that is continued a week later would accept a day that was only partly filled.
    """
    earlier = {f"earlier_{n}": run for n, run in enumerate(earlier_run_ids)}
    rows = warehouse.query(
        f"""
        select account_id
        from {EXTRACTS.id}
        where {in_window(window)} and source = $source and report = $report
            and (dagster_run_id = $run or (
                dagster_run_id in ({", ".join(f"${name}" for name in earlier) or "''"})
                and (
                    extracted_at >= $fresh
                    or extracted_at >= cast(date as timestamp) + interval {report.lookback_days} day
                )
            ))
        group by account_id
        having count(distinct date) = {len(window)}
        """,
        {
            "source": report.source,
            "report": report.name,
            "run": run_id,
            "fresh": (utc_now() - _FRESH).replace(tzinfo=None),
            **earlier,
        },
    )
    return set(rows.column("account_id").to_pylist())


def has_days(warehouse: Warehouse, report: DayReport, window: DateWindow) -> bool:
    """Returns whether any account has an extract of any day of the window."""
    rows = warehouse.query(
        f"select 1 from {EXTRACTS.id} where {in_window(window)} and source = $source and report = $report limit 1",
        {"source": report.source, "report": report.name},
    )
    return bool(rows.num_rows)


@dataclass(frozen=True)
class ComparedDay:
    """A day of a detail report next to the totals of its account.

    Args:
        account_id: The account.
        date: The day.
        extracted_at: When the newest extract of the report began; None if the day was never extracted.
        rows_run: The extract that the report's current rows belong to.
        totals: The digest of the newest totals; None if they were never extracted.
        totals_run: The extract that the newest totals belong to.
        totals_before: The digest of the totals that had been received when the report's extract began.
        totals_before_run: The extract that those totals belong to.
        shown_is_other: Whether the mart shows rows of another extract.
    """

    account_id: str
    date: date
    extracted_at: datetime | None
    rows_run: str | None
    totals: str | None
    totals_run: str | None
    totals_before: str | None
    totals_before_run: str | None
    shown_is_other: bool


@dataclass(frozen=True)
class Comparison:
    """What to compare in the ledger.

    Args:
        totals: The report with the account totals.
        detail: The finer report.
        window: The days to compare.
        today: The date up to which ages are counted (UTC).
        lookbacks: The lookbacks of the accounts, in days. A day as old as the shortest one is compared until it was
            extracted at the age of the longest one.
    """

    totals: DayReport
    detail: DetailReport
    window: DateWindow
    today: date
    lookbacks: Collection[int]


def days_in_doubt(warehouse: Warehouse, comparison: Comparison) -> list[ComparedDay]:
    """Returns the days that may be late, ordered by account and day.

    Days are left out if their totals are those that were known at the report's extract, and no last extract is due.
    """
    totals, report, window = comparison.totals, comparison.detail.report, comparison.window
    rows = warehouse.query(
        f"""
        with ledger as (
            select
                report, account_id, date, extract_run_id, extracted_at, row_count, content_digest, effective_run_id,
                coalesce(ingested_at, extracted_at) as received_at
            from {EXTRACTS.id}
            where {in_window(window)} and source = $source and report in ($totals, $report)
        ),
        newest as (
            select *
            from ledger
            qualify row_number() over (
                partition by report, account_id, date order by extracted_at desc, extract_run_id desc
            ) = 1
        ),
        extracted as (
            select account_id, date, extracted_at, effective_run_id as rows_run, row_count
            from newest
            where report = $report
        ),
        totals as (
            select account_id, date, content_digest as totals, effective_run_id as totals_run
            from newest
            where report = $totals
        ),
        before as (
            select
                ledger.account_id, ledger.date, ledger.content_digest as totals_before,
                ledger.effective_run_id as totals_before_run
            from ledger
            inner join extracted on ledger.account_id = extracted.account_id and ledger.date = extracted.date
            where ledger.report = $totals and ledger.received_at <= extracted.extracted_at
            qualify row_number() over (
                partition by ledger.account_id, ledger.date
                order by ledger.extracted_at desc, ledger.extract_run_id desc
            ) = 1
        ),
        shown as (
            select account_id, date, min(extract_run_id) as first_run, max(extract_run_id) as last_run
            from ({_shown_rows(warehouse, comparison)}) as shown_rows
            group by account_id, date
        ),
        compared as (
            select
                coalesce(totals.account_id, extracted.account_id) as account_id,
                coalesce(totals.date, extracted.date) as date,
                extracted_at, rows_run, totals, totals_run, totals_before, totals_before_run,
                extracted_at is not null and (
                    first_run is distinct from last_run
                    or first_run is distinct from if(row_count > 0, rows_run, null)
                ) as shown_is_other
            from totals
            full outer join extracted on totals.account_id = extracted.account_id and totals.date = extracted.date
            left join before on extracted.account_id = before.account_id and extracted.date = before.date
            left join shown on extracted.account_id = shown.account_id and extracted.date = shown.date
        )
        select {", ".join(f.name for f in fields(ComparedDay))}
        from compared
        where extracted_at is null
            or totals <> coalesce(totals_before, '')
            or shown_is_other
            or (
                date <= date '{comparison.today - timedelta(days=min(comparison.lookbacks))}'
                and extracted_at < cast(date as timestamp) + interval {max(comparison.lookbacks)} day
            )
        order by account_id, date
        """,
        {"source": report.source, "totals": totals.name, "report": report.name},
    ).to_pylist()
    return [ComparedDay(**row) for row in rows]


def _shown_rows(warehouse: Warehouse, comparison: Comparison) -> str:
    """Returns the query for the extracts that the mart shows rows of, by account and day."""
    mart, window = comparison.detail.shown_by, comparison.window
    if mart is None:  # as if the mart showed the current rows
        return "select account_id, date, rows_run as extract_run_id from extracted where row_count > 0"
    if not warehouse.has_table(mart.dataset, mart.table):
        return f"select account_id, date, extract_run_id from {EXTRACTS.id} where {in_window(window)} and false"
    return f"""
        select
            {mart.account_column} as account_id, {mart.date_column} as date,
            {mart.extract_run_column} as extract_run_id
        from {mart.id}
        where {in_window(window, mart.date_column)} and {mart.source_column} = $source
    """
