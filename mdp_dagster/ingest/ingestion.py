"""One materialization of one report: pull all accounts side by side, land, then commit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa

from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.base import DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.ingest.account_registry import keep_owners, known_accounts, register_accounts, registry_rows
from mdp_dagster.ingest.chunks import days_beyond, pieces_in_reach, tell
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.extraction import MAX_REJECTED_SHARE, Provenance, Pulled
from mdp_dagster.ingest.landing import refuse, rejects_unit, unit
from mdp_dagster.ingest.ledger import CurrentDays, accounts_committed, current_days
from mdp_dagster.ingest.parallel_extract import pull_side_by_side
from mdp_dagster.ingest.result import IngestError, IngestResult
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class Stores:
    """What ingest reads the accounts from, and where it writes."""

    clients: Clients
    warehouse: Warehouse
    lake: Lake


def ingest(
    connector: DataSourceConnector,
    report: DayReport,
    window: DateWindow,
    stores: Stores,
    dagster_run_id: str,
    earlier: IngestResult | None = None,
    only: Collection[str] | None = None,
    continues: Collection[str] = (),
) -> IngestResult:
    """Pull a report for all accounts of the clients file, and commit what is new.

    ``only``: these accounts alone, as the registry knows them; an account that it doesn't know, or that the clients
    file no longer lists, is left out.

    One account's failure stops no other: it is in the result. An account whose window this Dagster run has already
    committed isn't pulled again; ``earlier`` is what came of it then. Nor is what the runs have committed that this one
    ``continues``. A long window is pulled and committed in pieces, in order of time. Of days that lie beyond the
    platform's history, raw stays as it is.

    Raises ``IngestError`` when every account fails, or when more than 5 % of all rows are rejected (nothing of that
    piece is committed then); ``PlatformError``, ``LakeError``, ``WarehouseError``; ``HistoryError`` when the platform
    has none of the window's days any more, and raw has none either.
    """
    with stores.warehouse.session():
        stores.warehouse.prepare([*SHARED_TABLES, report_table(report)])
        pieces = pieces_in_reach(report, window, stores.warehouse)
    provenance = Provenance(str(uuid4()), dagster_run_id)
    result = IngestResult(report, window, provenance.extract_run_id, earlier.accounts if earlier else {})
    result.days_beyond_history = days_beyond(window, pieces)
    if not pieces:
        return result
    if only is None:
        accounts = listed_accounts(connector, stores.clients.listed(report.source), stores, result)
    else:
        known = known_accounts(stores.warehouse, stores.clients, report.source)
        accounts = [account for account_id, account in known.items() if account_id in only]
    result.expect(accounts)

    for piece in pieces:
        with stores.warehouse.session():
            done = accounts_committed(stores.warehouse, report, piece, dagster_run_id, continues)
            current = current_days(stores.warehouse, report, piece)
        waiting = [account for account in accounts if account.account_id not in done]
        pulls = pull_and_commit(connector, report, waiting, piece, current, stores, provenance, result)
        tell(report, pieces, piece, pulls, len(accounts) - len(waiting))
    if result.retry_after_seconds is None:
        result.require_an_account()
    return result


def listed_accounts(
    connector: DataSourceConnector, listed: Sequence[str], stores: Stores, result: IngestResult
) -> list[PlatformAccount]:
    """Look the listed ids up on the platform, and register what is new about the accounts behind them. What can't be
    looked up is a failure in the result."""
    accounts, failures = connector.accounts(listed) if listed else ([], [])
    failed = {failure.account_id for failure in failures}
    with stores.warehouse.session():
        accounts = keep_owners(stores.warehouse, stores.clients, accounts, failed)
        register_accounts(stores.warehouse, stores.clients, accounts, result.extract_run_id, utc_now())
    for failure in failures:
        result.fail(failure.account_id, failure.error)
    return accounts


def pull_and_commit(
    connector: DataSourceConnector,
    report: DayReport,
    accounts: Sequence[PlatformAccount],
    window: DateWindow,
    current: CurrentDays,
    stores: Stores,
    provenance: Provenance,
    result: IngestResult,
) -> list[Pulled]:
    """Pull the accounts side by side, then commit. ``current``: what the ledger has of the window."""
    registry = registry_rows(stores.clients, accounts)
    pulls, failures = pull_side_by_side(connector, report, accounts, registry, window, current, stores.lake, provenance)
    for account, error in failures:
        result.fail(account.account_id, error)
    for pulled in pulls:
        result.add(pulled.extract.account_id, pulled)
    _commit(report, window, pulls, stores)
    pa.default_memory_pool().release_unused()  # a piece's rows: the next one, or dbt, needs the room
    return pulls


def _commit(report: DayReport, window: DateWindow, pulls: Sequence[Pulled], stores: Stores) -> None:
    received = sum(pulled.received for pulled in pulls)
    rejected = sum(pulled.rejected for pulled in pulls)
    too_many = rejected > MAX_REJECTED_SHARE * received
    landed = [pulled for pulled in pulls if pulled.landed]
    # kept as evidence, whatever becomes of the run
    if rejected:
        stores.warehouse.commit(rejects_unit(p.extract) for p in landed if p.rejected and (p.refused or too_many))
    if too_many:
        for pulled in landed:
            if not pulled.refused:
                refuse(stores.lake, pulled.extract)
        raise IngestError(
            f"{report.table} {window}: {rejected} of {received} rows rejected, more than {MAX_REJECTED_SHARE:.0%}; "
            f"nothing of this window was committed → see mdp_raw.raw__rejects, and correct the source or the report's "
            f"columns\n" + "\n".join(f"  {p.extract.account_id}: {p.common_reasons()}" for p in pulls if p.rejected)
        )
    if good := [pulled.extract for pulled in landed if not pulled.refused]:
        stores.warehouse.commit(unit(stores.lake, report, extract) for extract in good)
