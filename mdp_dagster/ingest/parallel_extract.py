"""Extracts several accounts at a time, in as many threads as the source allows."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from mdp_dagster.connectors.base import DataSourceConnector, PlatformAccount
from mdp_dagster.connectors.errors import ConnectorError, PlatformError
from mdp_dagster.ingest.extraction import ExtractPlan, ExtractResult, land_answer, request_answer

log = logging.getLogger(__name__)

Failure = tuple[PlatformAccount, ConnectorError]


def extract_in_parallel(connector: DataSourceConnector, plan: ExtractPlan) -> tuple[list[ExtractResult], list[Failure]]:
    """Extracts and lands every account of the plan. Nothing is visible in the warehouse yet.

    One account's failure does not stop the others. Each thread holds one answer at a time.

    Returns:
        The extracts and the failed accounts, in the order of the plan's accounts.

    Raises:
        PlatformError: A failure that concerns all accounts.
        LakeError: The lake cannot be written.
    """
    stop = Event()

    def extract(account: PlatformAccount) -> ExtractResult | Failure | None:
        if stop.is_set():
            return None
        try:
            answer = request_answer(connector, plan, account)
            # after a failure that concerns all accounts, what is landed would never be committed
            return None if stop.is_set() else land_answer(plan, answer)
        except ConnectorError as error:
            if isinstance(error, PlatformError):
                stop.set()
                raise
            log.warning("%s %s %s: %s", plan.report.table, account.account_id, plan.window, error)
            return account, error
        except BaseException:
            stop.set()
            raise

    results: list[ExtractResult] = []
    failures: list[Failure] = []
    with ThreadPoolExecutor(connector.max_parallel_accounts) as pool:
        futures = [pool.submit(extract, account) for account in plan.accounts]
        try:
            for future in futures:
                outcome = future.result()
                if isinstance(outcome, ExtractResult):
                    results.append(outcome)
                elif outcome is not None:
                    failures.append(outcome)
        except BaseException:
            stop.set()
            raise
    return results, failures
