"""Meta's Graph API over facebook-business: one request with its retries, and the pages of an edge.

The SDK's ``Cursor`` ends at an empty page that has a next one, without an error. ``FacebookAdsApi.init`` replaces
``sys.excepthook`` and sets no timeout. So MDP uses neither, and follows the pages itself with ``api.call``.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from mdp_dagster.addresses import secret_address_fault
from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    DeadlineError,
    PlatformError,
    QuotaError,
    TransientError,
)
from mdp_dagster.connectors.meta_ads.errors import (
    BrokenPagingError,
    InvalidCursorError,
    TimedOutError,
    parse_object,
    refusal,
)
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.connectors.meta_ads.usage import Usage, usage_of
from mdp_dagster.connectors.redaction import redact, redact_logger
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.settings import secret_values

logger = logging.getLogger(__name__)

FULL_PERCENT = 95.0
_CONNECT_TIMEOUT_SECONDS = 10.0
_SILENCE_SECONDS = 180.0  # how long Meta may prepare an answer before it sends the first byte, or pause within one
_READ_BYTES = 1 << 20
_OK = 200
_EMPTY_PAGES_IN_A_ROW = 1_000
_MOST_PAGES = 50_000
# Parameters in the address of a next page that are secrets, or would change the request.
_NOT_FOLLOWED = ("access_token", "appsecret_proof", "method")


@dataclass(frozen=True)
class Answer:
    """The body of an answer, with every number as text, and the rate limits' state after it."""

    body: dict[str, Any]
    usage: Usage


class MetaAdsClient:
    """The Graph API for one set of settings. The first request is that of ``get``, ``post`` or ``pages``.

    Each thread has its own SDK session: threads must not share a ``requests.Session``.
    """

    def __init__(
        self, settings: MetaAdsSettings, retry: RetryPolicy, timeout_seconds: float, pause_seconds: float
    ) -> None:
        self._settings = settings
        self._retry = retry
        self._deadline_seconds = timeout_seconds
        silence = min(_SILENCE_SECONDS, 0.9 * timeout_seconds)  # before the deadline: it asks for a smaller request
        self._timeout = (min(_CONNECT_TIMEOUT_SECONDS, timeout_seconds), silence)
        self._pause_seconds = pause_seconds
        self._thread = threading.local()

    def get(self, path: tuple[str, ...], params: dict[str, Any], subject: str) -> Answer:
        """The answer to a GET request. ``subject``, the account, begins the message of an error."""
        return self._retry.run(lambda: self._call("GET", path, params, subject))

    def post(self, path: tuple[str, ...], params: dict[str, Any], subject: str) -> Answer:
        """Sends a POST request, repeated while the server asks for it, and returns the answer."""
        return self._retry.run(lambda: self._call("POST", path, params, subject))

    def pages(
        self, path: tuple[str, ...], params: dict[str, Any], subject: str, *, repeat_timeouts: bool = True
    ) -> Iterator[list[Any]]:
        """The ``data`` of each page of an edge, to the last one. A page that fails is requested again.

        Args:
            path: The edge.
            params: The parameters of the first page.
            subject: The account, for the message of an error.
            repeat_timeouts: Whether a page is requested again after a ``TimedOutError``.

        Raises:
            BrokenPagingError: The pages don't come to an end, or a cursor is not valid. The rows so far are void.
        """
        step: dict[str, str] | None = {}
        seen: set[str] = set()
        empty, paused = 0, 0.0
        while step is not None:
            answer, following = self._page(path, params, step, subject, repeat_timeouts)
            data = answer.body["data"]
            yield data
            step = following
            empty = 0 if data else empty + 1
            mark = json.dumps(step, sort_keys=True)
            if mark in seen or empty > _EMPTY_PAGES_IN_A_ROW:
                raise BrokenPagingError(f"{subject}: the pages go round in circles")
            if len(seen) >= _MOST_PAGES:
                raise AccountError(f"{subject}: more than {_MOST_PAGES} pages", "ask for fewer days at once")
            seen.add(mark)
            if step is not None and self._retry.sleeps_through(paused):
                paused += self._pause(answer.usage, subject)

    def _page(
        self, path: tuple[str, ...], params: dict[str, Any], step: dict[str, str], subject: str, repeat_timeouts: bool
    ) -> tuple[Answer, dict[str, str] | None]:
        """A page, and the step to the next one."""

        def call() -> tuple[Answer, dict[str, str] | None]:
            answer = self._call("GET", path, {**params, **step}, subject)
            data = answer.body.get("data")
            if not isinstance(data, list):
                raise TransientError(f"{subject}: a page without a list of data")
            following = next_step(answer.body.get("paging"), params, subject)
            if not data and step and following == step:
                raise TransientError(f"{subject}: an empty page that names itself as the next one")
            return answer, following

        try:
            return self._retry.run(call, never_after=() if repeat_timeouts else (TimedOutError,))
        except InvalidCursorError as error:
            if not step:
                raise
            words = error.message
        raise BrokenPagingError(words)

    def _call(self, method: str, path: tuple[str, ...], params: dict[str, Any], subject: str) -> Answer:
        """One request. Raises a ``ConnectorError`` of any kind, without secrets and without the SDK's exception."""
        import requests

        from mdp_dagster.deadlines.http_deadline import Deadline

        api = self._api()
        self._thread.response = None
        failure: ConnectorError | None = None
        with Deadline(self._deadline_seconds) as deadline:
            try:
                api.call(method, path, dict(params))
            except requests.RequestException as error:
                failure = _unreachable(error, f"{subject}: {self._redact(error)}")
            except Exception as error:
                # The SDK fails with any type of exception on unexpected bodies. An answer that arrived is judged below.
                if self._thread.response is None:
                    words = f"{subject}: the request can't be made: {self._redact(error)}"
                    failure = PlatformError(words, "check META_GRAPH_URL and META_API_VERSION")
        if deadline.expired and not isinstance(failure, TimedOutError):
            words = f"{subject}: the whole answer did not arrive within {deadline.seconds:g} s"
            failure = DeadlineError(words, "check the connection to Meta, a proxy for example")
        # Outside the handlers: the SDK's exception holds the token, and must not be chained to this one.
        response, self._thread.response = self._thread.response, None
        if failure is not None or response is None:
            raise failure or TransientError(f"{subject}: no answer")
        usage = usage_of(response.headers)
        body = parse_object(response.text)
        if body is None or body.get("error") or response.status_code >= 400:
            raise refusal(response.status_code, response.text, usage, subject, self._redact)
        return Answer(body, usage)

    def _api(self) -> Any:
        """This thread's API object."""
        if not hasattr(self._thread, "api"):
            self._thread.api = self._new_api()
        return self._thread.api

    def _new_api(self) -> Any:
        token, graph_url = self._token(), self._graph_url()
        from facebook_business.api import FacebookAdsApi
        from facebook_business.session import FacebookSession

        from mdp_dagster.deadlines.http_deadline import limit_session

        redact_logger("urllib3.connectionpool")
        secret = self._settings.app_secret.get_secret_value().strip() if self._settings.app_secret else None
        session = FacebookSession(self._settings.app_id, secret, token, timeout=self._timeout)
        session.GRAPH = graph_url
        session.requests.hooks["response"].append(self._keep)
        limit_session(session.requests)
        if graph_url.lower().startswith("http:"):  # this machine: the token must not go to a proxy of the environment
            session.requests.trust_env = False
        session.requests.max_redirects = 0  # a redirected POST would send the token to another address
        version = self._settings.api_version
        return FacebookAdsApi(session, api_version=f"v{version.lstrip('v')}" if version else None)

    def _keep(self, response: Any, *_: Any, **__: Any) -> Any:
        """Keeps the answer, and gives the SDK one without a body.

        The SDK would only look for an error in it. Parsing a large page takes longer than receiving it.
        """
        # Read it now: an answer that breaks off is not one. `response.content` would read it in pieces of 10 kB, and
        # wait for the other threads after each.
        received = response._content = b"".join(response.iter_content(_READ_BYTES))
        response.encoding = "utf-8"  # JSON is UTF-8; guessing a missing charset is slow
        self._thread.response = response
        return _without_body(response) if received and response.status_code == _OK else response

    def _token(self) -> str:
        token = self._settings.access_token.get_secret_value().strip() if self._settings.access_token else ""
        if not token:
            raise PlatformError("no Meta credentials are set", "set META_ACCESS_TOKEN to an access token with ads_read")
        return token

    def _graph_url(self) -> str:
        url = self._settings.graph_url.strip().rstrip("/")
        fault = secret_address_fault("META_GRAPH_URL", self._redact(url), "https://graph.facebook.com")
        if fault is not None:
            raise PlatformError(*fault)
        return url

    def _pause(self, usage: Usage, subject: str) -> float:
        """Waits before the next request if a rate limit is nearly used up, and returns the seconds."""
        if usage.percent <= FULL_PERCENT:
            return 0.0
        seconds = usage.regain_seconds or self._pause_seconds
        words = f"{subject}: {usage.percent:.0f} % of a rate limit is used up"
        if not self._retry.sleeps_through(seconds):
            raise QuotaError(words, seconds)
        logger.info("%s, pausing for %.0f s", words, seconds)
        time.sleep(seconds)
        return seconds

    def _redact(self, value: object) -> str:
        return redact(str(value), secret_values(self._settings))


def _without_body(response: Any) -> Any:
    import requests

    empty = requests.Response()
    empty.status_code, empty.headers, empty.request = response.status_code, response.headers, response.request
    empty._content = b""
    return empty


def next_step(paging: Any, params: dict[str, Any], subject: str) -> dict[str, str] | None:
    """The parameters to add for the next page; None after the last one.

    The last page has ``cursors.after`` too: only ``next`` shows that there is another page. MDP uses the parameters of
    that address, not the address itself, because it contains a host and the token.
    """
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    query = str(paging["next"]).partition("?")[2].partition("#")[0]  # urlsplit refuses some addresses
    step = {key: value for key, value in parse_qsl(query) if key not in params and key not in _NOT_FOLLOWED}
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    if after:
        step["after"] = str(after)
    if not step:
        raise TransientError(f"{subject}: there is a next page, but no parameters to request it")
    return step


def _unreachable(error: Exception, words: str) -> ConnectorError:
    """The error for a failure in requests. Another try does not help against some of them."""
    name = type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return PlatformError(words, "check META_GRAPH_URL, and REQUESTS_CA_BUNDLE if its certificate is a private one")
    if name == "TooManyRedirects":
        return AccountError(f"{words} The answer leads to another address", "check META_GRAPH_URL")
    if name in ("InvalidURL", "InvalidSchema", "MissingSchema", "InvalidProxyURL"):
        return PlatformError(words, "check META_GRAPH_URL")
    if name == "ReadTimeout" or "Read timed out" in words:
        return TimedOutError(f"{words} ({name})")
    return TransientError(f"{words} ({name})")
