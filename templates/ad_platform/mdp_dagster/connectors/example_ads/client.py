"""The Example Ads API over HTTP: one request with its retries, and the pages of a report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, TransientError
from mdp_dagster.connectors.example_ads.errors import refusal
from mdp_dagster.connectors.example_ads.settings import ExampleAdsSettings
from mdp_dagster.connectors.redaction import redact
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.settings import secret_values

_MOST_PAGES = 50_000


class ExampleAdsClient:
    """The API for one set of settings. Threads may share it. The first request is that of ``get`` or ``pages``."""

    def __init__(self, settings: ExampleAdsSettings, retry: RetryPolicy, timeout_seconds: float) -> None:
        self._settings = settings
        self._retry = retry
        self._timeout_seconds = timeout_seconds

    def get(self, path: str, params: dict[str, Any], subject: str) -> dict[str, Any]:
        """The JSON object of an answer, with its numbers as text.

        Raises:
            ConnectorError: Of any kind; the message begins with ``subject``.
        """
        return self._retry.run(lambda: self._get(path, params, subject))

    def pages(self, path: str, params: dict[str, Any], subject: str) -> Iterator[list[dict[str, Any]]]:
        """The rows of each page, to the last one."""
        page: str | None = "1"
        for _ in range(_MOST_PAGES):
            answer = self.get(path, {**params, "page": page}, subject)
            rows = answer.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise AccountError(f"{subject}: a page without a list of rows")
            yield rows
            page = answer.get("next_page")
            if not page:
                return
        raise AccountError(f"{subject}: more than {_MOST_PAGES} pages", "extract fewer days at once")

    def _get(self, path: str, params: dict[str, Any], subject: str) -> dict[str, Any]:
        import requests

        token = self._settings.access_token.get_secret_value().strip() if self._settings.access_token else ""
        if not token:
            raise PlatformError("no Example Ads credentials are set", "set EXAMPLE_ADS_ACCESS_TOKEN")
        failure: ConnectorError
        try:
            response = requests.get(
                f"{self._settings.api_url.rstrip('/')}/v1/{path}",
                params=params,
                headers={"Authorization": f"Bearer {token}"},
                timeout=self._timeout_seconds,
                allow_redirects=False,
            )
            body = self._answer(response, subject)
        except requests.RequestException as error:
            failure = TransientError(f"{subject}: {self._redact(error)}", "check EXAMPLE_ADS_API_URL if this goes on")
        except UnicodeError as error:  # a token or an address that no request can contain
            words = f"{subject}: the request can't be made: {self._redact(error)}"
            failure = PlatformError(words, "check EXAMPLE_ADS_ACCESS_TOKEN and EXAMPLE_ADS_API_URL")
        else:
            return body
        # Outside the handlers: the library's exception holds the token, and must not be chained to this one.
        raise failure

    def _answer(self, response: Any, subject: str) -> dict[str, Any]:
        if response.status_code != 200:
            raise refusal(response.status_code, self._redact(response.text), _retry_after(response), subject)
        try:
            body = json.loads(response.content, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise TransientError(f"{subject}: the answer is not a JSON object")
        return body

    def _redact(self, value: object) -> str:
        return redact(str(value), secret_values(self._settings))


def _retry_after(response: Any) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0
