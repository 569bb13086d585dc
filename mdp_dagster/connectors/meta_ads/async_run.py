"""Asynchronous report runs, for extracts that a single request can't answer in time.

POST the insights request, poll the run's ``async_status``, read its result like any edge. A run can fail, be
skipped, or hang for an hour. Starting it too often ends in throttling (airbyte #8282). So runs and time are limited,
and after that the window is read in smaller chunks (``AsyncRunError``).
https://developers.facebook.com/docs/marketing-api/insights/best-practices/#asynchronous
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import Any

from mdp_dagster.connectors.errors import AccountError, ConnectorError, TransientError
from mdp_dagster.connectors.meta_ads.client import MetaAdsClient

logger = logging.getLogger(__name__)

_COMPLETED = "Job Completed"
_FAILED = ("Job Failed", "Job Skipped")


class AsyncRunError(ConnectorError):
    """No report run gave the report. ``started`` is true if the platform accepted the request for one."""

    def __init__(self, message: str, started: bool) -> None:
        self.started = started
        super().__init__(message)


@dataclass(frozen=True)
class AsyncPolicy:
    """When to start a run, and how long to wait for it.

    ``above_rows`` is a number of days times a number of campaigns; many of these have no rows.
    """

    above_rows: int = 50_000
    runs: int = 2
    first_poll_seconds: float = 2.0
    longest_poll_seconds: float = 30.0
    longest_run_seconds: float = 900.0


def start_and_wait(
    client: MetaAdsClient, policy: AsyncPolicy, path: tuple[str, ...], params: dict[str, Any], subject: str
) -> str:
    """The id of a completed run.

    Raises:
        AsyncRunError: No run completed. (``QuotaError`` and ``PlatformError`` come from the requests.)
    """
    for attempt in range(1, policy.runs + 1):
        run_id, status = "", "refused"
        try:
            run_id = _start(client, path, params, subject)
            status = _wait(client, policy, run_id, subject)
        except (AccountError, TransientError) as error:  # a server without runs, or a run that can't be read
            status = error.message
        if status == _COMPLETED:
            return run_id
        logger.warning(
            "%s: report run %s, %d of %d: %s", subject, run_id or "not started", attempt, policy.runs, status
        )
        if status not in _FAILED:
            break
    raise AsyncRunError(f"{subject}: report run {run_id or 'not started'}: {status}", started=bool(run_id))


def _start(client: MetaAdsClient, path: tuple[str, ...], params: dict[str, Any], subject: str) -> str:
    body = client.post(path, params, subject).body
    run_id = body.get("report_run_id") or body.get("id")
    if not (isinstance(run_id, str) and re.fullmatch(r"[A-Za-z0-9_-]+", run_id)):  # it becomes part of an address
        raise AccountError(f"{subject}: the answer names no report_run_id")
    return run_id


def _wait(client: MetaAdsClient, policy: AsyncPolicy, run_id: str, subject: str) -> str:
    """The run's last status: completed, failed, or the one at the end of the time limit."""
    deadline = time.monotonic() + policy.longest_run_seconds
    pause = policy.first_poll_seconds
    while True:
        body = client.get((run_id,), {"fields": "async_status,async_percent_completion"}, subject).body
        status = str(body.get("async_status"))
        if status == _COMPLETED or status in _FAILED:  # the percentage of a completed run can be null or 99
            return status
        percent = body.get("async_percent_completion") or "unknown"
        if time.monotonic() + pause > deadline:
            return f"still {status} ({percent} %) after {policy.longest_run_seconds:.0f} s"
        time.sleep(pause)
        pause = min(pause * 1.5, policy.longest_poll_seconds)
