"""The probe: extract the account totals over the whole lookback, keep what changed, and find the late days.

MDP sends no request for an account that is not due. Its days are judged all the same: lateness is a state of the
warehouse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import uuid4

from mdp_dagster.clients.facts import listed_accounts
from mdp_dagster.connectors.base import DataSourceConnector, PlatformAccount
from mdp_dagster.ingest.accepted_differences import follow_accepted_differences
from mdp_dagster.ingest.account_registry import account_options, follow_clients_file
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.extraction import ExtractPlan, Provenance
from mdp_dagster.ingest.ingestion import extract_and_commit, look_up_accounts
from mdp_dagster.ingest.lateness import LateDay, WatchedAccount, find_late_days
from mdp_dagster.ingest.ledger import accounts_with_days, current_days
from mdp_dagster.ingest.requested_days import AccountDays
from mdp_dagster.ingest.result import IngestError, IngestResult
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.window import DateWindow

LISTED = "listed:"
"""The beginning of a key that is about an id of the clients file, such as a manager's, and not about an account."""


@dataclass(frozen=True)
class ProbeRun:
    """The Dagster run behind a probe, and the accounts that it may skip.

    Args:
        run_id: The Dagster run's id.
        is_due: Returns whether to request an account's totals, given its id and the number of days that are probed;
            or whether to look up an id of the clients file, given ``LISTED`` and the id. Default: always.
    """

    run_id: str
    is_due: Callable[[str, int], bool] = lambda account_id, days: True


@dataclass(frozen=True)
class ProbeResult:
    """The extract of the totals, and the days of the detail reports that are late.

    Args:
        totals: The extract of the totals, for the accounts that were due.
        late: The late days of all accounts, except those that failed.
        accounts: All accounts, also those that were skipped.
        answered: The accounts for which the source answered every day, and (with ``LISTED``) the ids of the clients
            file that it could look up.
        skipped: The number of probed days of each account that was not due, by account id.
    """

    totals: IngestResult
    late: list[LateDay]
    accounts: Sequence[PlatformAccount] = ()
    answered: Collection[str] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


def probe(
    connector: DataSourceConnector, watched: WatchedReports, days: DateWindow, stores: Stores, run: ProbeRun
) -> ProbeResult:
    """Extracts the totals of every account that is due, over its lookback, and finds the late days of all accounts.

    The probe sends one request for each account that is due, unless its lookback is longer than a request may be. Only
    new accounts and managers are looked up at the source. Days that did not change do not get a ledger row. An account
    without any totals in the ledger is always due.

    Args:
        connector: The source's connector.
        watched: The totals and the detail reports that are compared with them.
        days: All days that MDP has, up to today. An account's window is the end of it, as long as its lookback.
        stores: The clients file, the warehouse and the lake.
        run: The Dagster run, and the accounts that it may skip.

    Raises:
        IngestError: Every account was due, and every account failed.
        PlatformError: The source cannot be used at all.
        LakeError: The lake cannot be used.
        WarehouseError: The warehouse cannot be used.
    """
    totals = watched.totals
    provenance = Provenance(str(uuid4()), run.run_id, keep_unchanged=False)
    result = IngestResult(totals, days, provenance.extract_run_id)
    if not stores.clients.listed(totals.source):
        return ProbeResult(result, [])
    tables = [report_table(report) for report in (totals, *(detail.report for detail in watched.details))]
    with stores.warehouse.session():
        stores.warehouse.prepare([*SHARED_TABLES, *tables])
        # first, because the clients file may have a new lookback
        known = follow_clients_file(stores.warehouse, stores.clients, run.run_id, utc_now())
        follow_accepted_differences(stores.warehouse, stores.clients, run.run_id, utc_now())
        probed_before = accounts_with_days(stores.warehouse, totals, days)
    accounts, looked_up = _accounts(connector, stores, known.get(totals.source, {}), run, result)

    watched_accounts = _watched_accounts(watched, accounts, days, stores)
    lengths = {account_id: len(account.window) for account_id, account in watched_accounts.items()}
    due = [a for a in accounts if a.account_id not in probed_before or run.is_due(a.account_id, lengths[a.account_id])]
    result.expect(due)
    groups: dict[DateWindow, list[PlatformAccount]] = defaultdict(list)
    for account in due:
        groups[watched_accounts[account.account_id].window].append(account)
    for window, group in groups.items():
        for chunk in window.chunks(totals.max_days_per_extract):
            with stores.warehouse.session():
                current = current_days(stores.warehouse, totals, chunk)
            try:
                extract_and_commit(connector, ExtractPlan(totals, chunk, group, current, stores, provenance), result)
            except IngestError as error:  # too many rejects in this group: the other groups are probed all the same
                result.refuse(group, str(error))
    if len(due) == len(accounts):
        result.require_an_account()
    for failed in result.failed:  # their reload would fail as well
        watched_accounts.pop(failed.account_id, None)
    late = find_late_days(stores.warehouse, watched, watched_accounts, days.start)
    old_days: dict[str, set[date]] = defaultdict(set)
    for day in late:
        if day.needs_total:
            old_days[day.account_id].add(day.date)
    _extract_old_totals(connector, old_days, accounts, stores, result, run.run_id)
    unanswered = {a.account_id for a in result.accounts.values() if a.failure or a.days_not_answered}
    due_ids = {account.account_id for account in due}
    return ProbeResult(
        totals=result,
        late=late,
        accounts=accounts,
        answered=(due_ids - unanswered) | looked_up,
        skipped={account_id: length for account_id, length in lengths.items() if account_id not in due_ids},
    )


def _extract_old_totals(
    connector: DataSourceConnector,
    days: AccountDays,
    accounts: Sequence[PlatformAccount],
    stores: Stores,
    result: IngestResult,
    dagster_run_id: str,
) -> None:
    """Extracts the totals of late days that are older than the lookback, so that their next rows can tie to them.

    These days get a ledger row in any case: it shows that their totals need not be extracted again.
    """
    if not days:
        return
    # an extract of its own, because an extract has one file
    totals, provenance = result.report, Provenance(str(uuid4()), dagster_run_id)
    window = DateWindow.of_days(min(map(min, days.values())), max(map(max, days.values())))
    for chunk in window.chunks(totals.max_days_per_extract):
        of_chunk = {account: found for account in days if (found := {day for day in days[account] if day in chunk})}
        group = [account for account in accounts if account.account_id in of_chunk]
        result.expect(group)  # also accounts that were skipped
        with stores.warehouse.session():
            current = current_days(stores.warehouse, totals, chunk)
        try:
            plan = ExtractPlan(totals, chunk, group, current, stores, provenance, of_chunk)
            extract_and_commit(connector, plan, result)
        except IngestError as error:  # too many rejects: the days stay late
            result.refuse(group, str(error))


def _watched_accounts(
    watched: WatchedReports, accounts: Sequence[PlatformAccount], days: DateWindow, stores: Stores
) -> dict[str, WatchedAccount]:
    listed = listed_accounts(stores.clients)
    options = account_options(stores.clients, accounts)
    found = {}
    for account in accounts:
        lookbacks = listed[watched.source].lookbacks(account.listed_as, watched.totals.lookback_days)
        window = _changing_days(days, lookbacks)
        found[account.account_id] = WatchedAccount(
            account_id=account.account_id,
            window=window,
            lookbacks=lookbacks,
            options=options[account.account_id],
            time_zone=account.time_zone,
            processing_hours=watched.totals.processing_hours,
        )
    return found


def _changing_days(days: DateWindow, lookbacks: Mapping[date, int]) -> DateWindow:
    """Returns the days that the source may still change: the last day, and the days that their lookback reaches.

    Args:
        days: All days that MDP has.
        lookbacks: The lookbacks, by the first day that they are valid for.
    """
    starts = sorted(lookbacks)
    start = days.last
    for valid_from, next_start in zip(starts, [*starts[1:], days.end], strict=True):
        first = max(valid_from, days.start, days.last - timedelta(days=lookbacks[valid_from]))
        if first < next_start:
            start = min(start, first)
    return DateWindow(start, days.end)


def _accounts(
    connector: DataSourceConnector,
    stores: Stores,
    known: Mapping[str, PlatformAccount],
    run: ProbeRun,
    result: IngestResult,
) -> tuple[list[PlatformAccount], set[str]]:
    """Returns all accounts, and the ids of the clients file that could be looked up for them (with ``LISTED``).

    A known account that is listed directly is not looked up. All other ids are looked up together, if one of them is
    due or no account is known yet. Together, because an account behind two managers belongs to the first one.
    """
    report = result.report
    listed = stores.clients.listed(report.source)
    direct = [known[i] for i in listed if i in known and known[i].listed_as == i]
    direct_ids = {account.account_id for account in direct}
    others = [i for i in listed if i not in direct_ids]
    if not others:
        return direct, set()
    if known and not any(run.is_due(LISTED + i, report.lookback_days) for i in others):
        behind = [account for account_id, account in known.items() if account_id not in direct_ids]
        return direct + behind, set()
    looked_up = look_up_accounts(connector, others, stores, result)
    failed = {account.account_id for account in result.failed}
    answered = {LISTED + i for i in others if i not in failed}
    return direct + [account for account in looked_up if account.account_id not in direct_ids], answered
