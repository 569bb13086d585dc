"""Reading the extract ledger: what we have of each day, and what a run has already committed.

The rule itself (the newest extract of a day counts) stands here for ingest and in dbt's `current_extracts` macro for
everything that reads raw; a test holds the two together.
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
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# How long a day that was still being rewritten counts as pulled, for a run that continues another.
_FRESH = timedelta(hours=24)


class CurrentDay(NamedTuple):
    """The newest extract of a day."""

    content_digest: str
    effective_run_id: str
    contract_version: int


class CurrentDays:
    """What the ledger says of each account and day of a window."""

    def __init__(self, days: dict[tuple[str, date], CurrentDay], newest_pulls: dict[str, datetime]) -> None:
        self._days = days
        self._newest_pulls = newest_pulls

    def get(self, account_id: str, day: date) -> CurrentDay | None:
        return self._days.get((account_id, day))

    def newest_pull(self, account_id: str) -> datetime | None:
        """When the newest of the account's extracts began, of any report."""
        return self._newest_pulls.get(account_id)


def current_days(warehouse: Warehouse, report: DayReport, window: DateWindow) -> CurrentDays:
    """The newest ledger row of every account and day in the window."""
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
    # of any report: which of two reports was pulled first must be told even after the clock was set back
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
    known = map(CurrentDay._make, zip(*found, strict=True))  # several times as quick as a call for each
    return CurrentDays(
        dict(zip(zip(account_ids, days, strict=True), known, strict=True)),
        {row["account_id"]: _utc(row["extracted_at"]) for row in newest.to_pylist()},
    )


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=timezone.utc)


def accounts_committed(
    warehouse: Warehouse, report: DayReport, window: DateWindow, run_id: str, earlier_run_ids: Collection[str] = ()
) -> set[str]:
    """The accounts of which every day of the window is committed by this run, or by the unfinished ones that it
    continues: they aren't pulled again.

    What an earlier run committed counts unless it has aged: a day that the platform was still rewriting when it was
    pulled counts for a day only. Or a run that is continued a week later would show a half-filled day as done.
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
    """Whether any account's day of the window was ever pulled."""
    rows = warehouse.query(
        f"select 1 from {EXTRACTS.id} where {in_window(window)} and source = $source and report = $report limit 1",
        {"source": report.source, "report": report.name},
    )
    return bool(rows.num_rows)


@dataclass(frozen=True)
class ComparedDay:
    """A day of a report beside the totals of its account. Without a pull of the one or the other: None.

    ``pulled_at``: when the report's newest pull began; its rows stand under ``rows_run``. ``totals``: digest of the
    newest totals, under ``totals_run``. ``totals_before``, ``totals_before_run``: of those that had been received when
    the report's pull began. ``shown_is_other``: the marts show other rows than those.
    """

    account_id: str
    date: date
    pulled_at: datetime | None
    rows_run: str | None
    totals: str | None
    totals_run: str | None
    totals_before: str | None
    totals_before_run: str | None
    shown_is_other: bool


def days_in_doubt(
    warehouse: Warehouse,
    totals: DayReport,
    report: DayReport,
    window: DateWindow,
    today: date,
    lookbacks: Collection[int],
    shown: str | None = None,
) -> list[ComparedDay]:
    """The days of the window of which the totals or the report were ever pulled, but for those about which there is
    nothing to say: the totals are those that were known when the report was pulled, and nothing is left to wait for.

    ``today``, in UTC, is what ages are counted to. ``lookbacks``: of the accounts; a day that is as old as the shortest
    is in doubt until it was pulled at the age of the longest. ``shown``: a query for the extract runs that the marts
    show rows of: ``account_id``, ``date``, ``extract_run_id``, of ``$source``.
    """
    # where nobody says what is shown, it is what it should be
    shown = shown or "select account_id, date, rows_run as extract_run_id from pulled where row_count > 0"
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
        pulled as (
            select account_id, date, extracted_at as pulled_at, effective_run_id as rows_run, row_count
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
            inner join pulled on ledger.account_id = pulled.account_id and ledger.date = pulled.date
            where ledger.report = $totals and ledger.received_at <= pulled.pulled_at
            qualify row_number() over (
                partition by ledger.account_id, ledger.date
                order by ledger.extracted_at desc, ledger.extract_run_id desc
            ) = 1
        ),
        shown as (
            select account_id, date, min(extract_run_id) as first_run, max(extract_run_id) as last_run
            from ({shown}) as shown_rows
            group by account_id, date
        ),
        compared as (
            select
                coalesce(totals.account_id, pulled.account_id) as account_id,
                coalesce(totals.date, pulled.date) as date,
                pulled_at, rows_run, totals, totals_run, totals_before, totals_before_run,
                pulled_at is not null and (
                    first_run is distinct from last_run
                    or first_run is distinct from if(row_count > 0, rows_run, null)
                ) as shown_is_other
            from totals
            full outer join pulled on totals.account_id = pulled.account_id and totals.date = pulled.date
            left join before on pulled.account_id = before.account_id and pulled.date = before.date
            left join shown on pulled.account_id = shown.account_id and pulled.date = shown.date
        )
        select {", ".join(f.name for f in fields(ComparedDay))}
        from compared
        where pulled_at is null
            or totals <> coalesce(totals_before, '')
            or shown_is_other
            or (
                date <= date '{today - timedelta(days=min(lookbacks))}'
                and pulled_at < cast(date as timestamp) + interval {max(lookbacks)} day
            )
        order by account_id, date
        """,
        {"source": report.source, "totals": totals.name, "report": report.name},
    ).to_pylist()
    return [ComparedDay(**row) for row in rows]
