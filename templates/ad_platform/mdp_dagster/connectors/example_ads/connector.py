"""``ExampleAdsConnector``: the Example Ads API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from mdp_dagster.connectors.account_id_check import check_account_id
from mdp_dagster.connectors.account_lookup import look_up_accounts
from mdp_dagster.connectors.base import AccountFailure, DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.connectors.errors import HistoryError
from mdp_dagster.connectors.example_ads.client import ExampleAdsClient
from mdp_dagster.connectors.example_ads.reports import REPORTS, report_params
from mdp_dagster.connectors.example_ads.settings import ExampleAdsSettings
from mdp_dagster.connectors.example_ads.source import SOURCE
from mdp_dagster.connectors.history import check_history, refused_by_platform
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.settings import read_settings
from mdp_dagster.window import DateWindow

# Columns that come from the account.
_FROM_ACCOUNT = {"account_name": "name", "account_currency": "currency", "account_time_zone": "time_zone"}


class ExampleAdsConnector(DataSourceConnector):
    """Example Ads. Days are days in the account's time zone; money is in its currency, as text."""

    source: ClassVar[str] = SOURCE.name
    reports: ClassVar[tuple[DayReport, ...]] = REPORTS

    def __init__(
        self,
        settings: ExampleAdsSettings | None = None,
        *,
        retry: RetryPolicy | None = None,
        timeout_seconds: float = 60.0,
    ) -> None:
        self._client = ExampleAdsClient(
            settings or read_settings(ExampleAdsSettings), retry or RetryPolicy(), timeout_seconds
        )
        self._looked_up: dict[str, PlatformAccount] = {}

    def accounts(self, listed: Sequence[str]) -> tuple[list[PlatformAccount], list[AccountFailure]]:
        """See ``DataSourceConnector.accounts``."""
        return look_up_accounts(self.source, listed, self._look_up, self.max_parallel_accounts)

    def extract(self, report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        """See ``DataSourceConnector.extract``; raises ``HistoryError`` for a window that begins too early."""
        self.report(report.name)
        check_history(report, window)
        return self._batches(report, account, window)

    def _batches(self, report: DayReport, account: PlatformAccount, window: DateWindow) -> Iterator[pa.RecordBatch]:
        path, subject = f"accounts/{account.account_id}/reports/{report.name}", _subject(account.account_id)
        known = {column: getattr(account, field) for column, field in _FROM_ACCOUNT.items()}
        try:
            # All pages before the first batch: an extract that breaks off must raise, not end early.
            rows = [row for page in self._client.pages(path, report_params(window), subject) for row in page]
        except HistoryError as error:
            raise refused_by_platform(report, window, error.message) from None
        texts = [{name: _text({**row, **known}, name) for name in report.schema.names} for row in rows]
        yield pa.RecordBatch.from_pylist(texts, schema=report.schema)

    def _look_up(self, listed_id: str) -> list[PlatformAccount]:
        if listed_id not in self._looked_up:
            check_account_id(SOURCE.account_id, "Example Ads account", listed_id)
            found = self._client.get(f"accounts/{listed_id}", {}, _subject(listed_id))
            self._looked_up[listed_id] = PlatformAccount(
                source=self.source,
                account_id=listed_id,
                listed_as=listed_id,
                name=str(found.get("name") or ""),
                currency=str(found.get("currency") or ""),
                time_zone=str(found.get("time_zone") or ""),
            )
        return [self._looked_up[listed_id]]


def _subject(account_id: str) -> str:
    return f"Example Ads account {account_id}"


def _text(row: Mapping[str, Any], name: str) -> str | None:
    """The value as text. Ingest checks it: a value that is missing or can't be read is not judged here."""
    value = row.get(name)
    return None if value is None else str(value)
