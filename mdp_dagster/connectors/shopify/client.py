"""Shopify's Admin GraphQL API for one shop, through Shopify's package: one query with its waits and retries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from mdp_dagster.addresses import secret_address_fault
from mdp_dagster.connectors.account_id_check import check_account_id
from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError
from mdp_dagster.connectors.redaction import redact
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.connectors.shopify.access_token import AccessToken
from mdp_dagster.connectors.shopify.cost_throttle import CostThrottle
from mdp_dagster.connectors.shopify.errors import UnauthorizedError, parse_object, refusal
from mdp_dagster.connectors.shopify.reports import API_VERSION
from mdp_dagster.connectors.shopify.settings import ShopifySettings
from mdp_dagster.connectors.shopify.shop_domain import SHOP_DOMAIN, SUFFIX
from mdp_dagster.connectors.shopify.shop_http import ShopHttp
from mdp_dagster.settings import secret_values

logger = logging.getLogger(__name__)

T = TypeVar("T")

_VERSION_FORM = "0000-00"
_CLOCK_TOLERANCE_SECONDS = 5.0  # the header Date has whole seconds, and the answer takes time


class ShopifyClient:
    """The Admin API of one shop. Makes no request before ``run``. Not safe for threads: use one per thread.

    Args:
        domain: The shop's domain, ``name.myshopify.com``.
        settings: The credentials and the address.
        retry: The retries of a query.
        deadline_seconds: The time limit of one request.
        transport: The transport in tests.
    """

    def __init__(
        self,
        domain: str,
        settings: ShopifySettings,
        retry: RetryPolicy,
        deadline_seconds: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.domain = domain
        self._settings = settings
        self._retry = retry
        self._deadline_seconds = deadline_seconds
        self._transport = transport
        self._throttle = CostThrottle()
        self._http: ShopHttp | None = None
        self._token: AccessToken | None = None
        self._clock_differs_by: float | None = None
        self._warned = False

    def read(self, query: str, parse: Callable[[dict[str, Any]], T], variables: Mapping[str, Any] | None = None) -> T:
        """Returns what ``parse`` makes of the ``data`` of a query's answer.

        Raises:
            AccountError: The data has another form than Shopify's schema.
        """
        data = self.run(query, variables)
        try:
            return parse(data)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            words = f"{self.domain}: the answer has another form than Shopify's: {self.redact(repr(error))}"
        raise AccountError(words, "check SHOPIFY_API_URL")

    def run_once(self, query: str, variables: Mapping[str, Any]) -> None:
        """Sends a query without retries, for a process that is about to stop."""
        self._with_valid_token(query, dict(variables))

    def run(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns the ``data`` of a query's answer.

        A query that fails in passing is sent again, up to the limits of the retry policy. Shopify refuses a token that
        has expired; then a new one is fetched once.

        Args:
            query: The GraphQL document, one of ``reports.py``.
            variables: Its variables.
        """
        return self._retry.run(lambda: self._with_valid_token(query, dict(variables or {})))

    def server_time(self, now: datetime) -> datetime:
        """Returns the shop's time at the caller's ``now``, as the newest answer's header shows it.

        A server that is ahead of the caller does not count: reading less is safe.
        """
        if self._clock_differs_by is None or self._clock_differs_by > -_CLOCK_TOLERANCE_SECONDS:
            return now
        return datetime.fromtimestamp(now.timestamp() + self._clock_differs_by, timezone.utc)

    def redact(self, text: str) -> str:
        """Returns the text without this shop's secrets."""
        fetched = [self._token.fetched] if self._token else []
        return redact(text, [*secret_values(self._settings), *fetched])

    def _with_valid_token(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        http, token = self._connection()
        try:
            return self._call(http, token.get(), query, variables)
        except UnauthorizedError as error:
            token.renew(error)
        return self._call(http, token.get(), query, variables)

    def _connection(self) -> tuple[ShopHttp, AccessToken]:
        if self._http is None or self._token is None:
            check_account_id(SHOP_DOMAIN, "Shopify", self.domain)
            self._http = ShopHttp(self._api_url(), self._deadline_seconds, self._transport)
            self._token = AccessToken(self._name, self._settings, self._http, self.redact)
        return self._http, self._token

    @property
    def _name(self) -> str:
        return self.domain.removesuffix(SUFFIX)

    def _call(self, http: ShopHttp, token: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        from shopify_app.graphql import admin_graphql_request

        self._throttle.wait(query)
        failure: ConnectorError | None = None
        try:
            # Without retries: the package does not read the header Retry-After, and would lose the answer.
            admin_graphql_request(
                query, self._name, token, API_VERSION, variables=variables, max_retries=0, http_client=http
            )
        except Exception as error:
            # The package fails with any type of exception on unexpected bodies. An answer that arrived is judged below.
            if http.answer is None and http.failure is None:
                words = f"{self.domain}: the request can't be made: {self.redact(str(error))}"
                failure = PlatformError(words, "check SHOPIFY_API_URL and the shop's domain")
        # Outside the handler: the package's exceptions hold the request, with the token.
        if failure is not None:
            raise failure
        if http.answer is None:
            raise http.no_answer(self.domain, self.redact)
        return self._data(http.answer, query)

    def _data(self, answer: httpx.Response, query: str) -> dict[str, Any]:
        body = parse_object(answer.content) or {}
        delay = self._throttle.learn(query, body.get("extensions"))
        error = refusal(answer, delay, self.domain, self.redact)
        if error is not None:
            raise error
        self._check_version(answer.headers.get("X-Shopify-API-Version", ""))
        self._note_time(answer.headers.get("Date", ""))
        data: dict[str, Any] = body["data"]
        return data

    def _check_version(self, served: str) -> None:
        """Shopify answers with another version when it no longer supports the requested one.

        Raises:
            PlatformError: The version is older than the requested one: its answers may lack fields or have other rules.
        """
        if len(served) != len(_VERSION_FORM) or served == API_VERSION:
            return
        if served < API_VERSION:
            raise PlatformError(
                f"{self.domain}: the answer has API version {served}, and MDP requested {API_VERSION}",
                "check SHOPIFY_API_URL; if it is right, install the version of MDP that matches the server",
            )
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s: Shopify no longer serves API version %s and answers with %s → install a newer version of MDP",
                self.domain, API_VERSION, served,
            )  # fmt: skip

    def _note_time(self, text: str) -> None:
        try:
            served = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return
        if served.tzinfo is not None:
            self._clock_differs_by = (served - datetime.now(timezone.utc)).total_seconds()

    def _api_url(self) -> str | None:
        url = (self._settings.api_url or "").strip().rstrip("/")
        if not url:
            return None
        fault = secret_address_fault("SHOPIFY_API_URL", self.redact(url), "https://shopify.example.com")
        if fault is not None:
            raise PlatformError(*fault)
        return url
