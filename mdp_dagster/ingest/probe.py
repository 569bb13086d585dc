"""The probe: pull the account totals over the whole lookback, keep what changed, and say which days are late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

from mdp_dagster.connectors.base import DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.ingest.account_registry import follow_clients_file
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.extraction import Provenance
from mdp_dagster.ingest.ingestion import Stores, listed_accounts, pull_and_commit
from mdp_dagster.ingest.lateness import LateDay, Shown, WatchedAccount, in_doubt, late_days
from mdp_dagster.ingest.ledger import current_days
from mdp_dagster.ingest.result import IngestError, IngestResult
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class Probed:
    """What the totals said, and which days of the report are late."""

    result: IngestResult
    late: list[LateDay]


def probe(
    connector: DataSourceConnector,
    totals: DayReport,
    report: DayReport,
    days: DateWindow,
    stores: Stores,
    dagster_run_id: str,
    shown: Shown | None = None,
) -> Probed:
    """Pull ``totals`` of every account for its lookback, and compare with what stands of ``report``.

    ``days``: all days that MDP has, up to today; an account's window is the end of it, as long as its lookback. One
    request per account that is known already: only new ones, and managers, are looked up on the platform. The ledger
    gets the days that changed, and no row of those that didn't: a look that found nothing leaves no trace. ``shown``:
    what the marts show, to find days that were pulled and not built; without it they aren't looked for.

    Raises ``IngestError`` when every account fails; ``PlatformError``, ``LakeError``, ``WarehouseError``.
    """
    provenance = Provenance(str(uuid4()), dagster_run_id, keep_unchanged=False)
    result = IngestResult(totals, days, provenance.extract_run_id)
    lookbacks = stores.clients.lookbacks(totals.source, totals.lookback_days)
    if not lookbacks:
        return Probed(result, [])
    widest = _probed(days, max(lookbacks.values()))
    look_into = partial(in_doubt, stores.warehouse, totals, report, widest, days.start, set(lookbacks.values()), shown)
    # What is read before the platform is asked still holds while the warehouse's state is the same: nobody has
    # committed anything. Where that can't be told it is read when it is needed.
    with stores.warehouse.session():
        stores.warehouse.prepare([*SHARED_TABLES, report_table(totals), report_table(report)])
        known = follow_clients_file(stores.warehouse, stores.clients, dagster_run_id, utc_now())  # a new lookback, say
        state = stores.warehouse.state()
        if state is not None:  # of whichever accounts there are: some may have to be looked up on the platform first
            current, doubted = current_days(stores.warehouse, totals, widest), look_into()
    accounts = _accounts(connector, totals, stores, known.get(totals.source, {}), result)
    result.expect(accounts)

    watched = _watched(accounts, totals, days, lookbacks, stores)
    groups: dict[DateWindow, list[PlatformAccount]] = defaultdict(list)
    for account in accounts:
        groups[watched[account.account_id].window].append(account)
    for window, group in groups.items():
        for chunk in window.chunks(totals.max_days_per_extract):
            try:
                if state is None or state != stores.warehouse.state():
                    with stores.warehouse.session():
                        current = current_days(stores.warehouse, totals, chunk)
                pull_and_commit(connector, totals, group, chunk, current, stores, provenance, result)
            except IngestError as error:  # too many rejects among these accounts: no reason to miss the others' days
                result.refuse(group, str(error))
    result.require_an_account()
    for failed in result.failed:  # a reload would fail as well
        watched.pop(failed.account_id, None)
    if state is None or state != stores.warehouse.state():
        doubted = look_into()
    return Probed(result, late_days(stores.warehouse, totals, report, watched, doubted))


def _watched(
    accounts: Sequence[PlatformAccount],
    totals: DayReport,
    days: DateWindow,
    lookbacks: Mapping[str, int],
    stores: Stores,
) -> dict[str, WatchedAccount]:
    options = {ref.id: ref.options for _, ref in stores.clients.refs(totals.source)}
    return {
        account.account_id: WatchedAccount(
            account_id=account.account_id,
            window=_probed(days, lookbacks[account.listed_as]),
            lookback_days=lookbacks[account.listed_as],
            options=options[account.listed_as],
        )
        for account in accounts
    }


def _probed(days: DateWindow, lookback_days: int) -> DateWindow:
    return DateWindow(max(days.start, days.last - timedelta(days=lookback_days)), days.end)


def _accounts(
    connector: DataSourceConnector,
    totals: DayReport,
    stores: Stores,
    known: Mapping[str, PlatformAccount],
    result: IngestResult,
) -> list[PlatformAccount]:
    listed = stores.clients.listed(totals.source)
    direct = [known[i] for i in listed if i in known and known[i].listed_as == i]
    there = {account.account_id for account in direct}
    new = [i for i in listed if i not in there]
    looked_up = listed_accounts(connector, new, stores, result) if new else []
    return direct + [account for account in looked_up if account.account_id not in there]
