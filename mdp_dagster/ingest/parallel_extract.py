"""Pulling many accounts at once: as many threads as the platform takes well, each with the next account."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import Any

from mdp_dagster.connectors.base import DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.connectors.errors import ConnectorError, PlatformError
from mdp_dagster.ingest.extraction import Provenance, Pulled, Received, receive, take
from mdp_dagster.ingest.ledger import CurrentDays
from mdp_dagster.lake import Lake
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

_ROWS_TOGETHER = 10_000
"""A thread judges and lands what it has when it has as many: small answers together, a large one at once."""

Failure = tuple[PlatformAccount, ConnectorError]


def pull_side_by_side(
    connector: DataSourceConnector,
    report: DayReport,
    accounts: Sequence[PlatformAccount],
    registry: Mapping[str, dict[str, Any]],
    window: DateWindow,
    current: CurrentDays,
    lake: Lake,
    provenance: Provenance,
) -> tuple[list[Pulled], list[Failure]]:
    """Pull and land every account; nothing is visible in the warehouse yet. ``registry``: each account's row.

    One account's failure stops no other. Raises ``PlatformError``, which concerns them all, and ``LakeError``.
    """
    waiting = deque(accounts)
    stop = Event()

    def work() -> tuple[list[Pulled], list[Failure]]:
        pulls: list[Pulled] = []
        failures: list[Failure] = []
        answers: list[Received] = []
        rows = 0
        while not stop.is_set():
            account = _next(waiting)
            if account is not None:
                try:
                    answers.append(receive(connector, report, account, window, current))
                    rows += answers[-1].rows.num_rows
                except PlatformError:
                    raise
                except ConnectorError as error:
                    log.warning("%s %s %s: %s", report.table, account.account_id, window, error)
                    failures.append((account, error))
            if answers and not stop.is_set() and (account is None or rows >= _ROWS_TOGETHER):
                pulls += take(report, window, answers, registry, current, lake, provenance)
                answers.clear()  # before the next one comes: there is memory for a large one only once
                rows = 0
            if account is None:
                break
        return pulls, failures

    def work_or_stop() -> tuple[list[Pulled], list[Failure]]:
        try:
            return work()
        except BaseException:
            stop.set()  # the others land nothing more: it would not be committed
            raise

    pulls: list[Pulled] = []
    failures: list[Failure] = []
    with ThreadPoolExecutor(connector.max_parallel_accounts) as pool:
        threads = [pool.submit(work_or_stop) for _ in range(min(connector.max_parallel_accounts, len(accounts)))]
        try:
            for thread in as_completed(threads):
                pulled, failed = thread.result()
                pulls += pulled
                failures += failed
        except BaseException:
            stop.set()
            raise
    return pulls, failures


def _next(waiting: deque[PlatformAccount]) -> PlatformAccount | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None
