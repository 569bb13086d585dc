"""``GoogleAdsConnector``: Google Ads over google-ads and SearchStream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from mdp_dagster.connectors.account_lookup import look_up_accounts
from mdp_dagster.connectors.base import AccountFailure, DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.connectors.errors import HistoryError
from mdp_dagster.connectors.google_ads.accounts import expand
from mdp_dagster.connectors.google_ads.client import GoogleAdsClients
from mdp_dagster.connectors.google_ads.reports import REPORTS, gaql
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.connectors.google_ads.source import SOURCE
from mdp_dagster.connectors.history import check_history, refused_by_platform
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.settings import read_settings
from mdp_dagster.window import DateWindow

if TYPE_CHECKING:
    from mdp_dagster.connectors.google_ads.rows import RowGatherer

LOOK_UP_TIMEOUT_SECONDS = 60.0


class GoogleAdsConnector(DataSourceConnector):
    """Google Ads. Days are days in the account's time zone; money is in millionths of its currency.

    A query is one operation of the quota, however many rows it streams, so an extract is one query.
    ``timeout_seconds`` bounds a whole stream: the SDK has no limit of its own. Keep one instance per run: it
    keeps its channel and the accounts that it has looked up.
    """

    source: ClassVar[str] = SOURCE.name
    reports: ClassVar[tuple[DayReport, ...]] = REPORTS

    def __init__(
        self,
        settings: GoogleAdsSettings | None = None,
        *,
        retry: RetryPolicy | None = None,
        timeout_seconds: float = 600.0,
    ) -> None:
        self._clients = GoogleAdsClients(
            settings or read_settings(GoogleAdsSettings), token_seconds=min(timeout_seconds, LOOK_UP_TIMEOUT_SECONDS)
        )
        self._timeout_seconds = timeout_seconds
        self._retry = retry or RetryPolicy()
        self._expanded: dict[str, list[PlatformAccount]] = {}

    def accounts(self, listed: Sequence[str]) -> tuple[list[PlatformAccount], list[AccountFailure]]:
        """See ``DataSourceConnector.accounts``.

        A manager's cancelled or closed clients are skipped with a log line, because the API refuses them.
        """
        return look_up_accounts(self.source, listed, self._look_up, self.max_parallel_accounts)

    def extract(self, report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        """See ``DataSourceConnector.extract``; ``HistoryError`` for a window that begins too early."""
        query = gaql(self.report(report.name), window)
        check_history(report, window)
        return self._batches(report, account, window, query)

    def _batches(
        self, report: DayReport, account: PlatformAccount, window: DateWindow, query: str
    ) -> Iterator[pa.RecordBatch]:
        try:
            gathered = self._retry.run(lambda: self._gather(report, account, query))
        except HistoryError as error:
            raise refused_by_platform(report, window, error.message) from None
        yield from gathered.batches()

    def _gather(self, report: DayReport, account: PlatformAccount, query: str) -> RowGatherer:
        """One try, from the first row."""
        from mdp_dagster.connectors.google_ads.rows import RowGatherer  # with the SDK

        gathered = RowGatherer(report)
        stream = self._clients.stream(
            account.account_id, query, timeout_seconds=self._timeout_seconds, manager_id=account.manager_id
        )
        for answer in stream:
            gathered.add(answer)
        return gathered

    def _look_up(self, listed_id: str) -> list[PlatformAccount]:
        if listed_id not in self._expanded:
            self._expanded[listed_id] = expand(listed_id, self._query)
        return self._expanded[listed_id]

    def _query(self, customer_id: str, query: str) -> list[Any]:
        """All rows of a small answer."""
        timeout = min(self._timeout_seconds, LOOK_UP_TIMEOUT_SECONDS)

        def gather() -> list[Any]:
            stream = self._clients.stream(customer_id, query, timeout_seconds=timeout)
            return [row for answer in stream for row in answer.rows()]

        return self._retry.run(gather)
