"""One materialization of one report: pull all accounts side by side, land, then commit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from uuid import uuid4

from mdp_dagster.clients import Clients
from mdp_dagster.connectors.base import DataSourceConnector, PlatformAccount, Report
from mdp_dagster.connectors.errors import ConnectorError, PlatformError
from mdp_dagster.connectors.history import check_history
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.landing import refuse, rejects_unit, unit
from mdp_dagster.ingest.ledger import accounts_committed, current_days
from mdp_dagster.ingest.pull import MAX_REJECTED_SHARE, Provenance, Pulled, pull
from mdp_dagster.ingest.registry import keep_owners, register_accounts, registry_rows
from mdp_dagster.ingest.result import IngestError, IngestResult
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stores:
    """What ingest reads the accounts from, and where it writes."""

    clients: Clients
    warehouse: Warehouse
    lake: Lake


def ingest(
    connector: DataSourceConnector,
    report: Report,
    window: DateWindow,
    stores: Stores,
    dagster_run_id: str,
    earlier: IngestResult | None = None,
) -> IngestResult:
    """Pull a report for all accounts of the clients file, and commit what is new.

    One account's failure stops no other: it is in the result. An account whose window this Dagster run has already
    committed isn't pulled again; ``earlier`` is what came of it then. A long window is pulled and committed in pieces,
    in order of time.

    Raises ``IngestError`` when every account fails, or when more than 5 % of all rows are rejected (nothing of that
    piece is committed then); ``PlatformError``, ``HistoryError``, ``LakeError``, ``WarehouseError``.
    """
    check_history(report, window)
    stores.warehouse.prepare([*SHARED_TABLES, report_table(report)])
    provenance = Provenance(str(uuid4()), dagster_run_id)
    result = IngestResult(report, window, provenance.extract_run_id, earlier.accounts if earlier else {})

    listed = stores.clients.listed(report.source)
    accounts, failures = connector.accounts(listed) if listed else ([], [])
    accounts = keep_owners(stores.warehouse, stores.clients, accounts, {failure.account_id for failure in failures})
    register_accounts(stores.warehouse, stores.clients, accounts, provenance.extract_run_id, utc_now())
    result.expect(accounts)
    for failure in failures:
        result.fail(failure.account_id, failure.error)

    for chunk in window.chunks(report.max_days_per_extract):
        done = accounts_committed(stores.warehouse, report, chunk, dagster_run_id)
        waiting = [account for account in accounts if account.account_id not in done]
        pulls = _pull_side_by_side(connector, report, waiting, chunk, stores, provenance, result)
        _commit(report, chunk, pulls, stores)
    if result.retry_after_seconds is None:
        result.require_an_account()
    return result


def _pull_side_by_side(
    connector: DataSourceConnector,
    report: Report,
    accounts: Sequence[PlatformAccount],
    window: DateWindow,
    stores: Stores,
    provenance: Provenance,
    result: IngestResult,
) -> list[Pulled]:
    current = current_days(stores.warehouse, report, window)
    registry = registry_rows(stores.clients, accounts)
    pulls: list[Pulled] = []
    with ThreadPoolExecutor(connector.max_parallel_accounts) as pool:
        futures = {
            pool.submit(
                pull,
                connector,
                report,
                account,
                registry[account.account_id],
                window,
                current,
                stores.lake,
                provenance,
            ): account
            for account in accounts
        }
        try:
            for future in as_completed(futures):
                account = futures[future]
                try:
                    pulled = future.result()
                except PlatformError:
                    raise  # concerns every account
                except ConnectorError as error:
                    result.fail(account.account_id, error)
                    log.warning("%s %s %s: %s", report.table, account.account_id, window, error)
                else:
                    result.add(account.account_id, pulled)
                    pulls.append(pulled)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # those under way end by themselves, and are not committed
            raise
    return pulls


def _commit(report: Report, window: DateWindow, pulls: Sequence[Pulled], stores: Stores) -> None:
    received = sum(pulled.received for pulled in pulls)
    rejected = sum(pulled.rejected for pulled in pulls)
    too_many = rejected > MAX_REJECTED_SHARE * received
    # kept as evidence, whatever becomes of the run
    stores.warehouse.commit(rejects_unit(p.extract) for p in pulls if p.rejected and (p.refused or too_many))
    if too_many:
        for pulled in pulls:
            if not pulled.refused:
                refuse(stores.lake, pulled.extract)
        raise IngestError(
            f"{report.table} {window}: {rejected} of {received} rows rejected, more than {MAX_REJECTED_SHARE:.0%}; "
            f"nothing of this window was committed → see mdp_raw.raw__rejects, and correct the source or the report's "
            f"columns\n" + "\n".join(f"  {p.extract.account_id}: {p.common_reasons()}" for p in pulls if p.rejected)
        )
    taken = (pulled.extract for pulled in pulls if not pulled.refused)
    stores.warehouse.commit(unit(stores.lake, report, extract) for extract in taken)
