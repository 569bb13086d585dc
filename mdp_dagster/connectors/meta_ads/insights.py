"""Reads one report of one account: page by page, through a report run, or in smaller chunks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.errors import AccountError, TransientError
from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy, AsyncRunError, start_and_wait
from mdp_dagster.connectors.meta_ads.client import MetaAdsClient
from mdp_dagster.connectors.meta_ads.errors import BrokenPagingError, TimedOutError, TooMuchDataError
from mdp_dagster.connectors.meta_ads.reports import ACCOUNT_DAILY, CAMPAIGN_STATUSES, insights_params
from mdp_dagster.connectors.meta_ads.rows import Campaigns, KnownCampaigns, RowGatherer
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.window import DateWindow

logger = logging.getLogger(__name__)

PAGE_ROWS = 500
_SMALLEST_PAGE_ROWS = 25
DAYS_PER_REQUEST = 31
_MOST_CAMPAIGN_IDS = 200  # they are in the address of the request


@dataclass(frozen=True)
class _Part:
    """The days and campaigns of one request. ``campaign_ids``: None for all campaigns."""

    window: DateWindow
    page_rows: int
    campaign_ids: tuple[str, ...] | None = None

    def __str__(self) -> str:
        campaigns = f", {len(self.campaign_ids)} campaigns" if self.campaign_ids else ""
        return f"{self.window} in pages of {self.page_rows}{campaigns}"

    def with_smaller_pages(self) -> _Part:
        return replace(self, page_rows=max(self.page_rows // 4, _SMALLEST_PAGE_ROWS))


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
        self._lists_all = not isinstance(campaigns, KnownCampaigns)
        self._subject = subject(account.account_id)
        self._path = (f"act_{account.account_id}", "insights")

    def read(self, window: DateWindow, asynchronous: AsyncPolicy) -> list[pa.RecordBatch]:
        """All rows of the window."""
        days = len(window) if self._report.name == ACCOUNT_DAILY.name else DAYS_PER_REQUEST
        if len(window) * len(self._campaigns) > asynchronous.above_rows:
            try:
                return self._through_a_run(window, asynchronous)
            except (AsyncRunError, AccountError, TransientError) as error:
                logger.warning("%s; reading %s page by page instead", error.message, window)
                # A request that was too large is not repeated.
                if not isinstance(error, AsyncRunError) or error.started:
                    days = min(days, (len(window) + 1) // 2)
        return [batch for chunk in window.chunks(days) for batch in self._in_parts(_Part(chunk, PAGE_ROWS))]

    def _through_a_run(self, window: DateWindow, policy: AsyncPolicy) -> list[pa.RecordBatch]:
        params = insights_params(self._report, window)
        run_id = start_and_wait(self._client, policy, self._path, params, self._subject)
        return self._pages((run_id, "insights"), {"limit": PAGE_ROWS}, repeat_timeouts=False)

    def _in_parts(self, part: _Part) -> list[pa.RecordBatch]:
        """The part's rows. Divides the part if the platform requires a smaller request or takes too long.

        The smallest part is requested again after a timeout, as after any other failure that can pass.
        """
        params = insights_params(self._report, part.window, part.campaign_ids)
        try:
            last_try = self._lists_all and not self._smaller(part, timed_out=True)
            return self._pages(self._path, {**params, "limit": part.page_rows}, repeat_timeouts=last_try)
        except (TooMuchDataError, TimedOutError) as error:
            parts = self._smaller(part, isinstance(error, TimedOutError))
            if not parts:
                raise
            logger.info("%s: requesting less than %s", error.message, part)
        return [batch for smaller in parts for batch in self._in_parts(smaller)]

    def _smaller(self, part: _Part, timed_out: bool) -> list[_Part]:
        """The parts to request instead of this one: fewer days, then smaller pages or fewer campaigns.

        Empty for the smallest part. A timeout comes from the number of campaigns rather than from the page.
        """
        if len(part.window) > 1:
            return [replace(part, window=half) for half in part.window.chunks((len(part.window) + 1) // 2)]
        by_page = [] if timed_out or part.page_rows <= _SMALLEST_PAGE_ROWS else [part.with_smaller_pages()]
        return by_page or self._by_campaigns(part)

    def _by_campaigns(self, part: _Part) -> list[_Part]:
        """Halves of the campaigns: all that the account's list had at the start of the extract. Without it, none."""
        if not self._lists_all:
            return []
        ids = part.campaign_ids or (() if self._report.name == ACCOUNT_DAILY.name else tuple(sorted(self._campaigns)))
        if len(ids) < 2:
            return []
        size = min((len(ids) + 1) // 2, _MOST_CAMPAIGN_IDS)
        return [replace(part, campaign_ids=ids[i : i + size]) for i in range(0, len(ids), size)]

    def _pages(self, path: tuple[str, ...], params: dict[str, Any], repeat_timeouts: bool) -> list[pa.RecordBatch]:
        def gather() -> list[pa.RecordBatch]:
            gathered = RowGatherer(self._report, self._account, self._campaigns)
            for rows in self._client.pages(path, params, self._subject, repeat_timeouts=repeat_timeouts):
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
        rows = [row for page in pages for row in page if isinstance(row, dict)]
        return {str(row["id"]): row for row in rows if row.get("id") is not None}

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
