"""One materialization of one report: extract all accounts in parallel, land their rows, then commit them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

import pyarrow as pa

from mdp_dagster.connectors.base import DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.ingest.account_registry import disputed_accounts, keep_owners, known_accounts, register_accounts
from mdp_dagster.ingest.chunks import chunks_within_history, days_beyond, log_progress
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.extraction import MAX_REJECTED_SHARE, ExtractPlan, ExtractResult, Provenance
from mdp_dagster.ingest.known_attributes import known_attributes
from mdp_dagster.ingest.landing import LandedFile, rejects_unit, unit
from mdp_dagster.ingest.ledger import committed_days, current_days
from mdp_dagster.ingest.parallel_extract import extract_in_parallel
from mdp_dagster.ingest.requested_days import AccountDays
from mdp_dagster.ingest.result import IngestError, IngestResult
from mdp_dagster.ingest.run_files import RunFiles
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IngestRun:
    """The Dagster run behind an ingest.

    Args:
        run_id: The Dagster run's id.
        only: The ids of the accounts to extract, which must be in the registry; the others are left out. Default: all
            accounts of the clients file.
        days: The days to extract of each account, by account id; others are left out. Default: the window.
        continues: The ids of unfinished runs that this one continues. Their committed days are not extracted again.
        earlier: The result of this run's earlier attempt.
    """

    run_id: str
    only: Collection[str] | None = None
    continues: Collection[str] = ()
    earlier: IngestResult | None = None
    days: AccountDays | None = None

    @property
    def accounts(self) -> Collection[str] | None:
        """The ids of the accounts to extract; None for all accounts of the clients file."""
        return self.only if self.days is None else self.days.keys()

    def days_in(self, chunk: DateWindow, account_id: str) -> set[date]:
        """Returns the days to extract of an account in a chunk."""
        days = chunk.days() if self.days is None else self.days[account_id]
        return {day for day in days if day in chunk}


def ingest(
    connector: DataSourceConnector, report: DayReport, window: DateWindow, stores: Stores, run: IngestRun
) -> IngestResult:
    """Extracts a report for all accounts of the clients file, and commits what is new.

    One account's failure does not stop the others; the result lists it. A long window is extracted and committed in
    chunks, the oldest first. An account of which this run has already committed all days of a chunk is not extracted
    again. With ``run.days``, an account gets requests for its own days only (``requested_days.py``). Days before the
    report's history stay in raw as they are.

    Raises:
        IngestError: Every account failed; or more than 5 % of all rows are rejected, and then nothing of that chunk is
            committed.
        HistoryError: The source no longer has any day of the window, and raw does not have any either.
        PlatformError: The source cannot be used at all.
        LakeError: The lake cannot be used.
        WarehouseError: The warehouse cannot be used.
    """
    with stores.warehouse.session():
        stores.warehouse.prepare([*SHARED_TABLES, report_table(report)])
        chunks = chunks_within_history(report, window, stores.warehouse)
        if run.days is not None and report.attribute_columns:
            connector.known_attributes = known_attributes(stores.warehouse, report, run.days, utc_now())
    provenance = Provenance(str(uuid4()), run.run_id)
    result = IngestResult(report, window, provenance.extract_run_id, run.earlier.accounts if run.earlier else {})
    result.days_beyond_history = days_beyond(window, chunks)
    if not chunks:
        return result
    accounts = _accounts(connector, stores, run, result)
    result.expect(accounts)

    for chunk in chunks:
        with stores.warehouse.session():
            committed = committed_days(stores.warehouse, report, chunk, run.run_id, run.continues)
            current = current_days(stores.warehouse, report, chunk)
        wanted = {account.account_id: run.days_in(chunk, account.account_id) for account in accounts}
        missing = {account: days - committed.get(account, set()) for account, days in wanted.items()}
        waiting = [account for account in accounts if missing[account.account_id]]
        days = None if run.days is None else missing
        plan = ExtractPlan(report, chunk, waiting, current, stores, provenance, days)
        extracts = extract_and_commit(connector, plan, result)
        log_progress(plan, chunks, extracts, sum(map(bool, wanted.values())) - len(waiting))
    if result.retry_after_seconds is None:
        result.require_an_account()
    return result


def _accounts(
    connector: DataSourceConnector, stores: Stores, run: IngestRun, result: IngestResult
) -> list[PlatformAccount]:
    source = result.report.source
    if run.accounts is None:
        return look_up_accounts(connector, stores.clients.listed(source), stores, result)
    known = known_accounts(stores.warehouse, stores.clients, source)
    return [account for account_id, account in known.items() if account_id in run.accounts]


def look_up_accounts(
    connector: DataSourceConnector, listed: Sequence[str], stores: Stores, result: IngestResult
) -> list[PlatformAccount]:
    """Looks the listed ids up at the source, and registers what is new about the accounts behind them.

    An id that cannot be looked up becomes a failure in the result.
    """
    accounts, failures = connector.accounts(listed) if listed else ([], [])
    failed = {failure.account_id for failure in failures}
    with stores.warehouse.session():
        accounts = keep_owners(stores.warehouse, stores.clients, accounts, failed)
        register_accounts(stores.warehouse, stores.clients, accounts, result.extract_run_id, utc_now())
    for dispute in disputed_accounts(stores.clients, accounts):
        log.warning("%s: %s", result.report.source, dispute)
    for failure in failures:
        result.fail(failure.account_id, failure.error)
    return accounts


def extract_and_commit(connector: DataSourceConnector, plan: ExtractPlan, result: IngestResult) -> list[ExtractResult]:
    """Extracts the accounts of the plan in parallel, then commits them and adds them to the result."""
    files = RunFiles(plan.stores.lake, plan.report, plan.window, plan.provenance.extract_run_id)
    try:
        extracts, failures = extract_in_parallel(connector, plan, files)
        too_many = _has_too_many_rejects(extracts)
        if too_many:
            files.refuse()
        landed = None if too_many else files.finish()
    except BaseException:
        files.discard()
        raise
    for account, error in failures:
        result.fail(account.account_id, error)
    for extracted in extracts:
        result.add(extracted)
    _commit(plan, extracts, landed)
    if too_many:
        raise _too_many_rejects(plan, extracts)
    pa.default_memory_pool().release_unused()  # the next chunk, or dbt, needs the memory of this chunk's rows
    return extracts


def _has_too_many_rejects(extracts: Sequence[ExtractResult]) -> bool:
    received = sum(extracted.received for extracted in extracts)
    return sum(extracted.rejected for extracted in extracts) > MAX_REJECTED_SHARE * received


def _too_many_rejects(plan: ExtractPlan, extracts: Sequence[ExtractResult]) -> IngestError:
    received = sum(extracted.received for extracted in extracts)
    rejected = sum(extracted.rejected for extracted in extracts)
    return IngestError(
        f"{plan.report.table} {plan.window}: {rejected} of {received} rows rejected, more than "
        f"{MAX_REJECTED_SHARE:.0%}; nothing of this window was committed → see mdp_raw.raw__rejects, and correct "
        "the source or the report's columns\n"
        + "\n".join(f"  {e.extract.account_id}: {e.common_reasons()}" for e in extracts if e.rejected)
    )


def _commit(plan: ExtractPlan, extracts: Sequence[ExtractResult], file: LandedFile | None) -> None:
    """Commits the accepted extracts, and the rejects of all others, which are kept as evidence even if the run fails.

    Args:
        plan: The plan.
        extracts: All extracts.
        file: The file with the accepted extracts; None if none is accepted.
    """
    refused = [e.extract for e in extracts if e.landed and e.rejected and (e.refused or file is None)]
    if refused:
        plan.stores.warehouse.commit([rejects_unit(refused)])
    if file:
        plan.stores.warehouse.commit([unit(plan.stores.lake, plan.report, file)])
