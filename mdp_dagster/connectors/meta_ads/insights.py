"""Reads one report of one account: page by page, through a report run, or in smaller chunks."""

from __future__ import annotations

import logging
from typing import Any

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.errors import AccountError, TransientError
from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy, AsyncRunError, start_and_wait
from mdp_dagster.connectors.meta_ads.client import MetaAdsClient
from mdp_dagster.connectors.meta_ads.errors import BrokenPagingError, TooMuchDataError
from mdp_dagster.connectors.meta_ads.reports import ACCOUNT_DAILY, CAMPAIGN_STATUSES, insights_params
from mdp_dagster.connectors.meta_ads.rows import Campaigns, RowGatherer
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.window import DateWindow

logger = logging.getLogger(__name__)

PAGE_ROWS = 500
_SMALLEST_PAGE_ROWS = 25
DAYS_PER_REQUEST = 31


class InsightsReader:
    """Insights of one account. A listing that breaks off is read again from its first page."""

    def __init__(
        self,
        client: MetaAdsClient,
        retry: RetryPolicy,
        report: DayReport,
        account: PlatformAccount,
        campaigns: Campaigns,
    ) -> None:
        self._client = client
        self._retry = retry
        self._report = report
        self._account = account
        self._campaigns = campaigns
        self._subject = subject(account.account_id)
        self._path = (f"act_{account.account_id}", "insights")

    def read(self, window: DateWindow, asynchronous: AsyncPolicy) -> list[pa.RecordBatch]:
        """All rows of the window."""
        if len(window) * len(self._campaigns) > asynchronous.above_rows:
            try:
                return self._through_a_run(window, asynchronous)
            except (AsyncRunError, AccountError, TransientError) as error:
                logger.warning("%s; reading %s page by page instead", error.message, window)
        days = len(window) if self._report.name == ACCOUNT_DAILY.name else DAYS_PER_REQUEST
        return [batch for chunk in window.chunks(days) for batch in self._in_chunks(chunk, PAGE_ROWS)]

    def _through_a_run(self, window: DateWindow, policy: AsyncPolicy) -> list[pa.RecordBatch]:
        params = insights_params(self._report, window)
        run_id = start_and_wait(self._client, policy, self._path, params, self._subject)
        return self._pages((run_id, "insights"), {"limit": PAGE_ROWS})

    def _in_chunks(self, window: DateWindow, page_rows: int) -> list[pa.RecordBatch]:
        """The window's rows. Halves the window, then the page, if the platform requires a smaller request."""
        try:
            return self._pages(self._path, {**insights_params(self._report, window), "limit": page_rows})
        except TooMuchDataError as error:
            if len(window) == 1 and page_rows <= _SMALLEST_PAGE_ROWS:
                raise
            logger.info("%s: requesting less than %s in pages of %d", error.message, window, page_rows)
        if len(window) == 1:
            return self._in_chunks(window, max(page_rows // 4, _SMALLEST_PAGE_ROWS))
        halves = window.chunks((len(window) + 1) // 2)
        return [batch for half in halves for batch in self._in_chunks(half, page_rows)]

    def _pages(self, path: tuple[str, ...], params: dict[str, Any]) -> list[pa.RecordBatch]:
        def gather() -> list[pa.RecordBatch]:
            gathered = RowGatherer(self._report, self._account, self._campaigns)
            for rows in self._client.pages(path, params, self._subject):
                gathered.add(rows)
            return gathered.batches()

        return self._retry.run(gather, retry_on=BrokenPagingError)


def read_campaigns(client: MetaAdsClient, retry: RetryPolicy, account_id: str) -> Campaigns:
    """Status and effective status of all campaigns of an account, archived and deleted ones too, by campaign id.

    Empty, with a warning, if the platform refuses this edge or it stays broken: the numbers matter more.
    """
    params: dict[str, Any] = {
        "fields": "id,status,effective_status",
        "effective_status": list(CAMPAIGN_STATUSES),
    }
    path = (f"act_{account_id}", "campaigns")

    def gather(page_rows: int) -> Campaigns:
        pages = client.pages(path, {**params, "limit": page_rows}, subject(account_id))
        return {str(row["id"]): row for page in pages for row in page if isinstance(row, dict) and "id" in row}

    page_rows = PAGE_ROWS
    while True:
        try:
            return retry.run(lambda: gather(page_rows), retry_on=BrokenPagingError)  # noqa: B023
        except TooMuchDataError:
            if page_rows <= _SMALLEST_PAGE_ROWS:
                raise
            page_rows = max(page_rows // 4, _SMALLEST_PAGE_ROWS)
        except (AccountError, TransientError) as error:
            logger.warning("%s: campaigns without their status: %s", subject(account_id), error.message)
            return {}


def subject(account_id: str) -> str:
    """The beginning of messages about an account."""
    return f"Meta ad account act_{account_id}"
