"""Compares a detail report's days with the account totals in the ledger, and with the rows that the mart shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.settling import hours_until_settled
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.ingest.unexplained_days import unexplained_days
from mdp_dagster.ingest.watched_reports import DetailReport
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class ComparedDay:
    """A day of a detail report next to the totals of its account.

    Args:
        account_id: The account.
        date: The day.
        extracted_at: When the newest extract of the report began; None if the day was never extracted.
        rows_run: The extract that the report's current rows belong to.
        totals: The digest of the newest totals; None if they were never extracted.
        totals_extracted_at: When the newest extract of the totals began; None if there is none.
        totals_amounts: The digest of their amounts; None if it is not known.
        totals_run: The extract that the newest totals belong to.
        totals_before: The digest of the totals that had been received when the report's extract began.
        totals_before_amounts: The digest of their amounts; None if it is not known.
        totals_before_run: The extract that those totals belong to.
        mart_differs: Whether the mart shows rows of another extract.
        is_unexplained: Whether the rows do not add up to the total, for no known reason, and no person accepts it.
        acceptance_differs: Whether the reconciliation shows other accepted differences than the clients file has.
        changed_at: When totals first changed after the report's extract began; None if they did not.
    """

    account_id: str
    date: date
    extracted_at: datetime | None
    rows_run: str | None
    totals: str | None
    totals_extracted_at: datetime | None
    totals_amounts: str | None
    totals_run: str | None
    totals_before: str | None
    totals_before_amounts: str | None
    totals_before_run: str | None
    mart_differs: bool
    is_unexplained: bool
    acceptance_differs: bool
    changed_at: datetime | None


@dataclass(frozen=True)
class Comparison:
    """The reports and days to compare in the ledger.

    Args:
        totals: The report with the account totals.
        detail: The finer report.
        window: The days to compare.
        today: The date up to which ages are counted (UTC).
        lookbacks: The lookbacks of the accounts, in days. A day that is as old as the shortest one, or older, is
            compared unless it was extracted after the longest one had ended in every time zone.
    """

    totals: DayReport
    detail: DetailReport
    window: DateWindow
    today: date
    lookbacks: Collection[int]


def days_in_doubt(warehouse: Warehouse, comparison: Comparison) -> list[ComparedDay]:
    """Returns the days that may be late, ordered by account and day.

    Days are left out if their totals are those that were known at the report's extract, neither a last extract nor a
    checkpoint is due, the mart shows the current rows, and the reconciliation explains or accepts every difference.
    """
    totals, report, window = comparison.totals, comparison.detail.report, comparison.window
    settled_hours = hours_until_settled(max(comparison.lookbacks), totals.processing_hours)
    rows = warehouse.query(
        f"""
        with ledger as (
            select
                report, account_id, date, extract_run_id, extracted_at, row_count, content_digest, amounts_digest,
                effective_run_id, coalesce(ingested_at, extracted_at) as received_at
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
            select
                account_id, date, extracted_at as totals_extracted_at, content_digest as totals,
                amounts_digest as totals_amounts, effective_run_id as totals_run
            from newest
            where report = $totals
        ),
        before as (
            select
                ledger.account_id, ledger.date, ledger.content_digest as totals_before,
                ledger.amounts_digest as totals_before_amounts, ledger.effective_run_id as totals_before_run
            from ledger
            inner join extracted on ledger.account_id = extracted.account_id and ledger.date = extracted.date
            where ledger.report = $totals and ledger.received_at <= extracted.extracted_at
            qualify row_number() over (
                partition by ledger.account_id, ledger.date
                order by ledger.extracted_at desc, ledger.extract_run_id desc
            ) = 1
        ),
        changed as (
            select ledger.account_id, ledger.date, min(ledger.received_at) as changed_at
            from ledger
            inner join extracted on ledger.account_id = extracted.account_id and ledger.date = extracted.date
            where ledger.report = $totals and ledger.effective_run_id = ledger.extract_run_id
                and ledger.received_at > extracted.extracted_at
            group by ledger.account_id, ledger.date
        ),
        shown as (
            select account_id, date, min(extract_run_id) as first_run, max(extract_run_id) as last_run
            from ({_shown_rows(warehouse, comparison)}) as shown_rows
            group by account_id, date
        ),
        unexplained as (
            {unexplained_days(warehouse, comparison.detail.reconciled_by, window)}
        ),
        compared as (
            select
                coalesce(totals.account_id, extracted.account_id) as account_id,
                coalesce(totals.date, extracted.date) as date,
                extracted_at, rows_run, totals, totals_extracted_at, totals_amounts, totals_run,
                totals_before, totals_before_amounts, totals_before_run,
                extracted_at is not null and (
                    first_run is distinct from last_run
                    or first_run is distinct from if(row_count > 0, rows_run, null)
                ) as mart_differs,
                extracted_at is not null and coalesce(is_unexplained, false) as is_unexplained,
                extracted_at is not null and coalesce(acceptance_differs, false) as acceptance_differs,
                changed_at
            from totals
            full outer join extracted on totals.account_id = extracted.account_id and totals.date = extracted.date
            left join before on extracted.account_id = before.account_id and extracted.date = before.date
            left join changed on extracted.account_id = changed.account_id and extracted.date = changed.date
            left join shown on extracted.account_id = shown.account_id and extracted.date = shown.date
            left join unexplained
                on extracted.account_id = unexplained.account_id and extracted.date = unexplained.date
        )
        select {", ".join(f.name for f in fields(ComparedDay))}
        from compared
        where extracted_at is null
            or totals <> coalesce(totals_before, '')
            or mart_differs
            or is_unexplained
            or acceptance_differs
            {_checkpoints_due(comparison)}
            or (
                date <= date '{comparison.today - timedelta(days=min(comparison.lookbacks))}'
                and extracted_at < cast(date as timestamp) + interval {settled_hours} hour
            )
        order by account_id, date
        """,
        {"source": report.source, "totals": totals.name, "report": report.name},
    ).to_pylist()
    return [ComparedDay(**row) for row in rows]


def _checkpoints_due(comparison: Comparison) -> str:
    """Returns the conditions for days that may have reached a checkpoint since their extract, in any time zone."""
    return "\n".join(
        f"or (date <= date '{comparison.today - timedelta(days=age - 1)}' "
        f"and extracted_at < cast(date as timestamp) + interval {hours_until_settled(age - 1, 0)} hour)"
        for age in comparison.detail.report.checkpoint_ages
    )


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
