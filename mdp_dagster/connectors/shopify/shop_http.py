"""The httpx client that Shopify's package sends its requests with.

Shopify's package sends requests only to the addresses of its own shops, reports a broken connection without its cause,
and drops parts of the answers. This client replaces the address, keeps the whole answer and the cause, and limits the
time.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import httpx

from mdp_dagster.connectors.errors import ConnectorError, DeadlineError, PlatformError
from mdp_dagster.connectors.redaction import redact_logger
from mdp_dagster.connectors.shopify.errors import unreachable
from mdp_dagster.connectors.shopify.transfer_deadline import TransferDeadline

_CONNECT_TIMEOUT_SECONDS = 10.0
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")


class ShopHttp(httpx.Client):
    """Sends one request at a time, each on a new connection.

    After a request, ``answer`` is the complete answer, or None; ``failure`` is the reason for None.

    Args:
        api_url: The address of another server for all shops; None for Shopify's own.
        deadline_seconds: The time limit of a whole request.
        transport: The transport in tests.
    """

    def __init__(
        self, api_url: str | None, deadline_seconds: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        # A server of this machine may be without encryption: the token must not go to a proxy of the environment.
        on_this_machine = api_url is not None and api_url.lower().startswith("http:")
        options = client_options(0.9 * deadline_seconds)
        super().__init__(**options, transport=transport, trust_env=not on_this_machine)
        self._api_url = httpx.URL(api_url) if api_url else None
        self._deadline_seconds = deadline_seconds
        self.answer: httpx.Response | None = None
        self.failure: httpx.RequestError | None = None
        self.expired = False

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Sends a request and reads the whole answer.

        The header ``Host`` stays that of the shop, so that another server can serve several shops.
        """
        self.answer, self.failure, self.expired = None, None, False
        if self._api_url is not None:
            path = self._api_url.raw_path.rstrip(b"/") + request.url.raw_path
            request.url = self._api_url.copy_with(raw_path=path)
        with TransferDeadline(self._deadline_seconds) as deadline:
            request.extensions = {**request.extensions, "trace": deadline.trace}
            try:
                answer = super().send(request, **options)
            except httpx.RequestError as error:
                self.failure, self.expired = error, deadline.expired
                raise
        if deadline.expired:  # without a length, an answer that was cut looks complete
            self.failure, self.expired = httpx.ReadTimeout("cut at the deadline"), True
            raise self.failure
        self.answer = answer
        return answer

    def no_answer(self, subject: str, redact: Callable[[str], str]) -> ConnectorError:
        """Returns the error for the last request, which has no answer.

        Args:
            subject: The beginning of the message: the shop.
            redact: Removes secrets from the cause.
        """
        if self.expired:
            words = f"{subject}: the whole answer did not arrive within {self._deadline_seconds:g} s"
            return DeadlineError(words, "check the connection to Shopify, a proxy for example")
        return unreachable(self.failure, subject, redact)


def client_options(read_seconds: float) -> dict[str, Any]:
    """Returns the options of every httpx client here: no redirects, and no connection that is used twice."""
    for name in _LOGGERS:
        redact_logger(name)  # httpx logs each address, and the address of a file has a signature
    return {
        "timeout": httpx.Timeout(read_seconds, connect=min(_CONNECT_TIMEOUT_SECONDS, read_seconds)),
        "limits": httpx.Limits(max_keepalive_connections=0),
        "follow_redirects": False,
        "verify": _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
    }


@lru_cache(maxsize=4)
def _trusted(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The trusted authorities. httpx finds them in these two variables; reading them takes 35 ms of CPU time."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError too
        words = f"the trusted authorities can't be read from {file or folder}: {error}"
        raise PlatformError(words, "correct SSL_CERT_FILE or SSL_CERT_DIR, or unset both") from error
