"""``MetaAdsConnector``: the Meta Marketing API's insights over facebook-business."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pyarrow as pa

from mdp_dagster.connectors.account_id_check import check_account_id
from mdp_dagster.connectors.account_lookup import look_up_accounts
from mdp_dagster.connectors.base import AccountFailure, DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.connectors.errors import HistoryError
from mdp_dagster.connectors.history import check_history, refused_by_platform
from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy
from mdp_dagster.connectors.meta_ads.client import MetaAdsClient
from mdp_dagster.connectors.meta_ads.errors import TimedOutError, TooMuchDataError
from mdp_dagster.connectors.meta_ads.insights import InsightsReader, read_campaigns, subject
from mdp_dagster.connectors.meta_ads.reports import CAMPAIGN_DAILY, CAMPAIGN_STATUS, REPORTS
from mdp_dagster.connectors.meta_ads.rows import Campaigns, KnownCampaigns, with_status
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.connectors.meta_ads.source import SOURCE
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.settings import read_settings
from mdp_dagster.window import DateWindow

logger = logging.getLogger(__name__)

_ACCOUNT_FIELDS = "id,account_id,name,currency,timezone_name,account_status"
_ACTIVE = "1"  # account_status


class MetaAdsConnector(DataSourceConnector):
    """Meta Ads. Days are days in the account's time zone; money is in its currency, as text.

    Insights are read page by page; very large windows through an asynchronous report run first
    (``asynchronous``). Where the platform asks for less data or takes too long, the window is halved, down to a
    day, and then the page or the list of campaigns. ``timeout_seconds`` limits a whole request, to the last byte
    of its answer. Keep one instance per run: it keeps its sessions, the accounts that it has looked up, and each
    account's campaign statuses.
    """

    source: ClassVar[str] = SOURCE.name
    reports: ClassVar[tuple[DayReport, ...]] = REPORTS

    def __init__(
        self,
        settings: MetaAdsSettings | None = None,
        *,
        retry: RetryPolicy | None = None,
        asynchronous: AsyncPolicy | None = None,
        timeout_seconds: float = 600.0,
        pause_seconds: float = 5.0,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._asynchronous = asynchronous or AsyncPolicy()
        self._client = MetaAdsClient(
            settings or read_settings(MetaAdsSettings), self._retry, timeout_seconds, pause_seconds
        )
        self._looked_up: dict[str, PlatformAccount] = {}
        self._campaigns: dict[str, Campaigns] = {}
        self._locks: dict[str, threading.Lock] = {}

    def accounts(self, listed: Sequence[str]) -> tuple[list[PlatformAccount], list[AccountFailure]]:
        """See ``DataSourceConnector.accounts``. Disabled accounts are included: they can often still be read."""
        return look_up_accounts(self.source, listed, self._look_up, self.max_parallel_accounts)

    def extract(self, report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        """See ``DataSourceConnector.extract``; ``HistoryError`` for a window that begins too early."""
        self.report(report.name)
        check_history(report, window)
        return self._batches(report, account, window)

    def _batches(self, report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        try:
            batches = self._with_known_campaigns(report, account, window)
            if batches is None:
                campaigns = self._campaigns_of(account) if report.name == CAMPAIGN_DAILY.name else {}
                batches = self._read(report, account, window, campaigns)
        except HistoryError as error:
            raise refused_by_platform(report, window, error.message) from None
        yield from batches

    def _read(
        self, report: DayReport, account: PlatformAccount, window: DateWindow, campaigns: Campaigns
    ) -> list[pa.RecordBatch]:
        return InsightsReader(self._client, self._retry, report, account, campaigns).read(window, self._asynchronous)

    def _with_known_campaigns(
        self, report: DayReport, account: PlatformAccount, window: DateWindow
    ) -> list[pa.RecordBatch] | None:
        """The rows with the status of known campaigns. The list of campaigns is requested only for rows of others.

        None if no campaign is known, if the list was requested already, or if the request must be divided by campaigns.
        """
        attributes = self.known_attributes.get(account.account_id)
        if not attributes or report.name != CAMPAIGN_DAILY.name or account.account_id in self._campaigns:
            return None
        known = KnownCampaigns(
            {
                campaign_id: {field: values.get(column) for column, field in CAMPAIGN_STATUS.items()}
                for campaign_id, values in attributes.items()
            }
        )
        try:
            batches = self._read(report, account, window, known)
        except (TooMuchDataError, TimedOutError) as error:
            logger.info("%s: requesting the list of campaigns", error.message)
            return None
        found = {campaign_id for batch in batches for campaign_id in batch.column("campaign_id").to_pylist()}
        if found <= known.keys():
            return batches
        return with_status(batches, {**known, **self._campaigns_of(account)})

    def _campaigns_of(self, account: PlatformAccount) -> Campaigns:
        with self._locks.setdefault(account.account_id, threading.Lock()):
            if account.account_id not in self._campaigns:
                self._campaigns[account.account_id] = read_campaigns(self._client, self._retry, account.account_id)
            return self._campaigns[account.account_id]

    def _look_up(self, listed_id: str) -> list[PlatformAccount]:
        if listed_id not in self._looked_up:
            self._looked_up[listed_id] = self._account(listed_id)
        return [self._looked_up[listed_id]]

    def _account(self, listed_id: str) -> PlatformAccount:
        check_account_id(SOURCE.account_id, "Meta ad account", listed_id)
        body = self._client.get((f"act_{listed_id}",), {"fields": _ACCOUNT_FIELDS}, subject(listed_id)).body
        status = body.get("account_status")
        if status not in (None, _ACTIVE):
            logger.info("%s has account_status %s", subject(listed_id), status)
        return PlatformAccount(
            source=SOURCE.name,
            account_id=listed_id,
            listed_as=listed_id,
            name=str(body.get("name") or ""),
            currency=str(body.get("currency") or ""),
            time_zone=str(body.get("timezone_name") or ""),
        )
