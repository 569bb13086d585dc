"""Shopify as a source: the access to one shop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone

import httpx

from mdp_dagster.connectors.answer_landing import Landing
from mdp_dagster.connectors.api_version import ApiVersion
from mdp_dagster.connectors.errors import AccountError, PlatformError, TransientError
from mdp_dagster.connectors.landed_lines import landed_lines
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.connectors.shop_documents import LandedFile, ShopFacts, ShopReport, ShopRow, ShopWindow
from mdp_dagster.connectors.shop_totals import ShopDayTotals
from mdp_dagster.connectors.shopify.answer_file import AnswerFiles, Download
from mdp_dagster.connectors.shopify.bulk_operation import BulkLimits, BulkOperations
from mdp_dagster.connectors.shopify.client import ShopifyClient
from mdp_dagster.connectors.shopify.errors import SmallerWindowError
from mdp_dagster.connectors.shopify.order_census import OrderCensus
from mdp_dagster.connectors.shopify.reports import API_VERSION, API_VERSIONS, VISIBLE_DAYS, bulk_query
from mdp_dagster.connectors.shopify.rows import read_lines
from mdp_dagster.connectors.shopify.settings import ShopifySettings
from mdp_dagster.connectors.shopify.shop_identity import ShopIdentity, check_scopes, checked_facts
from mdp_dagster.connectors.shopify.shopifyql import day_totals
from mdp_dagster.connectors.shopify.sync_windows import halves, windows_until
from mdp_dagster.settings import read_settings

_EVERYTHING_SINCE = datetime(2006, 1, 1, tzinfo=timezone.utc)  # Shopify's own beginning
_MOST_HALVINGS = 4


@dataclass(frozen=True, kw_only=True)
class SyncLimits:
    """The limits of the requests to a shop.

    Args:
        retry: The retries of a query.
        download_retry: The retries of a download. Each receives the whole file.
        bulk: The time limits of a bulk operation.
        request_seconds: The time limit of a query.
        download_seconds: The time limit of a download.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    download_retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=3))
    bulk: BulkLimits = field(default_factory=BulkLimits)
    request_seconds: float = 60.0
    download_seconds: float = 3_600.0


class ShopifySync:
    """Access to one shop. Implements ``ShopSync``. Not safe for threads: use one per thread.

    The constructor makes no request. Missing credentials raise ``PlatformError`` on first use.

    Args:
        domain: The shop's own domain.
        settings: Credentials, address and start; by default those of the environment.
        limits: The limits of the requests.
        transport: The transport in tests.
    """

    def __init__(
        self,
        domain: str,
        settings: ShopifySettings | None = None,
        limits: SyncLimits | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        limits = limits or SyncLimits()
        self.domain = domain
        self._settings = settings or read_settings(ShopifySettings)
        self._client = ShopifyClient(domain, self._settings, limits.retry, limits.request_seconds, transport)
        self._operations = BulkOperations(self._client, limits.bulk)
        self._files = AnswerFiles(limits.download_retry, limits.download_seconds, transport)
        self._identity: ShopIdentity | None = None

    def facts(self, known_id: int | None = None) -> ShopFacts:
        """Returns the shop's facts.

        Raises:
            AccountError: The domain leads to another shop, or the app lacks a scope.
        """
        identity = self._checked_identity()
        if known_id is not None and identity.facts.shop_id != known_id:
            raise AccountError(
                f"{self.domain} is the shop {identity.facts.shop_id}, and was the shop {known_id} before",
                "correct the shop's domain in the clients file (config/clients.yaml): two shops must not be mixed",
            )
        return identity.facts

    def windows(self, report: ShopReport, watermark: datetime | None, now: datetime) -> list[ShopWindow]:
        """Returns the windows to read, oldest first.

        Raises:
            AccountError: Shopify would leave out a part of the orders.
            PlatformError: The start date is in the future.
        """
        identity = self._checked_identity()
        now = self._client.server_time(now)
        if report != "orders":
            # Products and customers are read whole: old ones are in new orders too.
            if watermark is not None:
                return windows_until(now, watermark, _EVERYTHING_SINCE)
            first = windows_until(now, None, _EVERYTHING_SINCE)
            return [ShopWindow(_EVERYTHING_SINCE, first[-1].end)] if first else []
        start = datetime.combine(self._settings.start_date, time(), timezone.utc)
        if watermark is None and start > now:
            raise PlatformError(f"SHOPIFY_START_DATE={start.date()} is in the future", "set it to a day in the past")
        if watermark is None and not identity.sees_all_orders:
            _check_visible(self.domain, start, now)
        return windows_until(now, watermark, start)

    def land(self, report: ShopReport, window: ShopWindow, landing: Landing) -> list[LandedFile]:
        """Writes the shop's answer to the lake.

        Raises:
            ConnectorError: The shop gave no complete answer.
            OSError: The lake could not be written.
        """
        self._checked_identity()
        return self._land(report, window, landing, _MOST_HALVINGS)

    def land_created(self, day: date, landing: Landing) -> list[LandedFile]:
        """Writes the orders that were created on a day (UTC) to the lake, whenever they changed.

        Raises:
            ConnectorError: The shop gave no complete answer.
            OSError: The lake could not be written.
        """
        self._checked_identity()
        return self._land("orders", ShopWindow.of_day(day), landing, _MOST_HALVINGS, "created_at")

    def read(self, report: ShopReport, window: ShopWindow, landing: Landing) -> Iterator[ShopRow]:
        """Lands a window, then yields the rows of its files."""
        for file in self.land(report, window, landing):
            yield from read_lines(report, landed_lines(landing.open(file.path), file.path))

    def order_counts(self, days: Sequence[date]) -> dict[date, int]:
        """Returns the number of orders that were created on each day (UTC), without days that Shopify hides."""
        return OrderCensus(self._client).counts(self._visible(days))

    def order_ids(self, day: date, changed_since: datetime | None = None) -> set[int]:
        """Returns the ids of the orders that were created on a day (UTC), or only of those that changed since.

        Raises:
            AccountError: Shopify hides orders of this day.
        """
        if not self._visible([day]):
            _check_visible(self.domain, datetime.combine(day, time(), timezone.utc), datetime.now(timezone.utc))
        return OrderCensus(self._client).ids(day, changed_since)

    def day_totals(self, first: date, last: date) -> list[ShopDayTotals] | None:
        """Returns Shopify's own totals of the days; None if the app lacks the optional scope ``read_reports``."""
        return day_totals(self._client, first, last) if self._checked_identity().reads_reports else None

    def api_version(self) -> ApiVersion:
        """Returns the requested version. Shopify supports each for at least twelve months."""
        supported = self._client.read(
            API_VERSIONS, lambda data: {str(each["handle"]) for each in data["publicApiVersions"] if each["supported"]}
        )
        year, month = map(int, API_VERSION.split("-"))
        return ApiVersion(API_VERSION, API_VERSION in supported, date(year + 1, month, 1))

    def _checked_identity(self) -> ShopIdentity:
        if self._identity is None:
            identity = checked_facts(self._client)
            check_scopes(identity)
            self._identity = identity
        return self._identity

    def _visible(self, days: Sequence[date]) -> list[date]:
        if self._checked_identity().sees_all_orders:
            return list(days)
        first = _first_visible(datetime.now(timezone.utc))
        return [day for day in days if day >= first]

    def _land(
        self, report: ShopReport, window: ShopWindow, landing: Landing, halvings: int, instant: str = "updated_at"
    ) -> list[LandedFile]:
        try:
            operation = self._operations.run(bulk_query(report, window, instant))
        except SmallerWindowError as error:
            parts = halves(window) if halvings else None
            if parts is None:
                raise TransientError(error.message, error.remedy) from None
        else:
            path = f"{self.domain}_{_compact(window.start)}_{_compact(window.end)}.jsonl.gz"
            download = Download(operation=operation, window=window, path=path, subject=self.domain)
            return [self._files.land(download, landing)]
        return [file for part in parts for file in self._land(report, part, landing, halvings - 1, instant)]


def open_shop(domain: str) -> ShopifySync:
    """Returns the access to a shop, with the settings of the environment."""
    return ShopifySync(domain)


def _first_visible(now: datetime) -> date:
    return (now - timedelta(days=VISIBLE_DAYS)).date() + timedelta(days=1)


def _check_visible(domain: str, start: datetime, now: datetime) -> None:
    """Raises an error for a start from which Shopify would not show all orders: it hides them without an error."""
    first = _first_visible(now)
    if start.date() < first:
        raise AccountError(
            f"{domain}: without the scope read_all_orders, Shopify shows only the orders of the last {VISIBLE_DAYS} "
            f"days, and the sync begins on {start.date()}",
            f"grant the app the scope read_all_orders, or set SHOPIFY_START_DATE={first}",
        )


def _compact(instant: datetime) -> str:
    return instant.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
