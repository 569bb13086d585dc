"""Extracts several accounts at a time, in as many threads as the source allows."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from mdp_dagster.connectors.base import DataSourceConnector, PlatformAccount
from mdp_dagster.connectors.errors import ConnectorError, PlatformError
from mdp_dagster.ingest.account_totals import AccountTotals
from mdp_dagster.ingest.extraction import (
    ExtractPlan,
    ExtractResult,
    checked_answer,
    land_answer,
    request_answer,
)
from mdp_dagster.ingest.run_files import RunFiles
from mdp_dagster.ingest.shrunk_answers import MAX_REPEATS, contradicted_days
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

Failure = tuple[PlatformAccount, ConnectorError]


def extract_in_parallel(
    connector: DataSourceConnector, plan: ExtractPlan, files: RunFiles
) -> tuple[list[ExtractResult], list[Failure]]:
    """Extracts every account of the plan, and adds what is new to the run's files. Nothing is visible yet.

    One account's failure does not stop the others. Each thread holds one answer at a time, and requests the windows of
    an account one after the other.

    Returns:
        The extracts and the failed accounts, in the order of the plan's accounts.

    Raises:
        PlatformError: A failure that concerns all accounts.
        LakeError: The lake cannot be written.
    """
    stop = Event()
    totals = AccountTotals(connector, plan)

    def extract_window(account: PlatformAccount, window: DateWindow) -> ExtractResult | None:
        for repeats_left in range(MAX_REPEATS, -1, -1):
            if stop.is_set():
                break
            answer = request_answer(connector, plan, account, window)
            checked = checked_answer(plan, answer)
            held = contradicted_days(totals, plan, answer, checked)
            if held and repeats_left:
                log.warning(
                    "%s %s %s: the answer lost rows or amounts of %d days that the total still has; requested again",
                    plan.report.table, account.account_id, window, len(held),
                )  # fmt: skip
                continue
            # after a failure that concerns all accounts, what is landed would never be committed
            return None if stop.is_set() else land_answer(plan, answer, checked, held, files)
        return None

    def extract(account: PlatformAccount) -> tuple[list[ExtractResult], Failure | None]:
        landed: list[ExtractResult] = []
        for window in plan.windows(account.account_id):
            try:
                result = extract_window(account, window)
            except ConnectorError as error:
                if isinstance(error, PlatformError):
                    stop.set()
                    raise
                log.warning("%s %s %s: %s", plan.report.table, account.account_id, window, error)
                return landed, (account, error)
            except BaseException:
                stop.set()
                raise
            if result is not None:
                landed.append(result)
        return landed, None

    results: list[ExtractResult] = []
    failures: list[Failure] = []
    with ThreadPoolExecutor(connector.max_parallel_accounts) as pool:
        futures = [pool.submit(extract, account) for account in plan.accounts]
        try:
            for future in futures:
                landed, failure = future.result()
                results += landed
                if failure is not None:
                    failures.append(failure)
        except BaseException:
            stop.set()
            raise
    return results, failures
