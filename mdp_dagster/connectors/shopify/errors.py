"""The errors for Shopify's refusals: try again, try later, one shop, or every shop.

The HTTP status and the body decide, not Shopify's package: it drops the code and the delay of a refusal.
Error codes: https://shopify.dev/docs/api/admin-graphql#status-and-error-codes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, QuotaError, TransientError
from mdp_dagster.connectors.shopify.reports import API_VERSION

_LONGEST_WORDS = 1_000
_PAUSE_SECONDS = 2.0  # after a refusal that names no delay
_CHECK_DOMAIN = "check the shop's domain in the clients file (config/clients.yaml)"
_CHECK_VERSION = f"this version of MDP requests version {API_VERSION}: install a newer version of MDP"
GRANT_ACCESS = (
    "grant the app the scopes read_orders, read_all_orders, read_products and read_customers and the access to "
    "protected customer data (no names, addresses, phones or emails), and install it again in the shop"
)


class UnauthorizedError(AccountError):
    """Shopify does not accept the access token. A new one may help."""


class SmallerWindowError(ConnectorError):
    """The shop could not answer for the whole window. Two halves of it may succeed."""


class IncompleteFileError(TransientError):
    """The file of a bulk operation is not the one that Shopify counted. Another download may be."""


def parse_object(content: bytes) -> dict[str, Any] | None:
    """Returns the JSON object of a body; None for any other body."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def refusal(answer: httpx.Response, delay: float, subject: str, redact: Callable[[str], str]) -> ConnectorError | None:
    """Returns the error to raise for an answer; None for an answer with data and without errors.

    Args:
        answer: The answer.
        delay: The seconds until the cost points suffice.
        subject: The beginning of the message: the shop.
        redact: Removes secrets from Shopify's words.
    """
    body, status = parse_object(answer.content), answer.status_code
    errors = (body or {}).get("errors")
    if status == 200:
        if isinstance(body, dict) and isinstance(body.get("data"), dict) and not errors:
            return None
        if not errors:
            return TransientError(f"{subject}: the answer is not a GraphQL answer: {_excerpt(redact(answer.text))}")
        return _graphql_error(errors, delay, f"{subject}: {_excerpt(redact(_words(errors)))}")
    return http_error(answer, subject, redact)


def http_error(answer: httpx.Response, subject: str, redact: Callable[[str], str]) -> ConnectorError:
    """Returns the error to raise for an answer with another status than 200."""
    status, body = answer.status_code, parse_object(answer.content) or {}
    text = _words(body.get("errors") or body.get("error_description") or body.get("error")) or answer.text
    words = f"{subject}: HTTP {status}: {_excerpt(redact(text))}"
    if status == 401:
        return UnauthorizedError(
            words, "set SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET, or the shop's own access token"
        )
    if status == 429:
        return QuotaError(words, _retry_after(answer))
    if status >= 500 or status == 408:
        return TransientError(words)
    if 300 <= status < 400:
        return AccountError(f"{words} The shop's address leads to another one", _CHECK_DOMAIN)
    if status == 403:
        return AccountError(words, GRANT_ACCESS)
    if status == 404:
        return AccountError(words, f"{_CHECK_DOMAIN}, and SHOPIFY_API_URL; if both are right, {_CHECK_VERSION}")
    if status in (402, 423):
        return AccountError(words, "open the shop's admin: Shopify has locked the shop, or a payment is due")
    return AccountError(words, _CHECK_DOMAIN)


def unreachable(error: Exception | None, subject: str, redact: Callable[[str], str]) -> ConnectorError:
    """Returns the error for a request without an answer."""
    text = (
        f"{subject}: {redact(str(error))} ({type(error).__name__})" if error else f"{subject}: the shop did not answer"
    )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return PlatformError(text, "check SHOPIFY_API_URL, and SSL_CERT_FILE if its certificate is a private one")
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return PlatformError(text, "check SHOPIFY_API_URL")
    return TransientError(text, "check the connection to Shopify, and SHOPIFY_API_URL if it is set")


def _graphql_error(errors: Any, delay: float, words: str) -> ConnectorError:
    codes = _codes(errors)
    if "THROTTLED" in codes:
        return QuotaError(words, delay or _PAUSE_SECONDS)
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        return TransientError(words)
    if "ACCESS_DENIED" in codes:
        return AccountError(words, GRANT_ACCESS)
    if "SHOP_INACTIVE" in codes:
        return AccountError(words, "open the shop's admin: the shop is not active")
    return PlatformError(words, _CHECK_VERSION)


def _codes(errors: Any) -> set[str]:
    found = errors if isinstance(errors, list) else []
    extensions = [error.get("extensions") for error in found if isinstance(error, dict)]
    return {str(extension.get("code")) for extension in extensions if isinstance(extension, dict)}


def _words(errors: Any) -> str:
    """The messages of an answer, in one line."""
    if isinstance(errors, list):
        return "; ".join(_words(error) for error in errors)
    if isinstance(errors, dict) and "message" in errors:
        return " ".join(str(errors["message"]).split())
    return "" if errors is None else " ".join(str(errors).split())


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[:_LONGEST_WORDS]}…"


def _retry_after(answer: httpx.Response) -> float:
    try:
        seconds = float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return _PAUSE_SECONDS
    return seconds if 0 <= seconds < float("inf") else _PAUSE_SECONDS
