"""What Meta's answers mean: rows, try again, later, this account, or everything.

The SDK isn't asked: it takes an HTML 502 for a success and raises ``TypeError`` on some bodies. Judged are
the HTTP status and the body. Error codes: https://developers.facebook.com/docs/marketing-api/error-reference.
"""

from __future__ import annotations

import json
from typing import Any

from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    HistoryError,
    PlatformError,
    QuotaError,
    TransientError,
)
from mdp_dagster.connectors.meta_ads.usage import Usage

THROTTLED = {4, 17, 32, 341, 613, *range(80000, 80010), 80014}
_TRANSIENT = {1, 2, 960}
_TOKEN = {102, 104, 190, 463, 467}
_APP = {101, 2635}
_HISTORY = 3018
_TOO_MUCH_DATA_SUBCODES = {1487534}

_CODES = {"type": "type", "code": "code", "error_subcode": "subcode", "fbtrace_id": "fbtrace_id"}

_RENEW_TOKEN = "set META_ACCESS_TOKEN to a valid token; a system user's token doesn't expire"
_GIVE_ACCESS = "give the token's user access to the ad account, and the token the permission ads_read"
_CHECK_ID = "check the account id in the clients file (config/clients.yaml), and that the token's user has access to it"


class TooMuchDataError(AccountError):
    """The request asks for more than the platform can answer at once: ask for less."""


class BrokenPagingError(TransientError):
    """The pages lead nowhere: they must be read again from the first one."""


def parse_object(body: str) -> dict[str, Any] | None:
    """A JSON object, with its numbers as text; None if the body is anything else."""
    try:
        value = json.loads(body, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def refusal(status: int, body: str, usage: Usage, subject: str) -> ConnectorError:
    """The error to raise for an answer that isn't a JSON object without an ``error`` and with a status below
    400.

    ``subject`` begins the message: what was asked for.
    """
    answer = parse_object(body)
    error = answer.get("error") if answer is not None else None
    if error:
        return classify(status, error if isinstance(error, dict) else {"message": str(error)}, usage, subject)
    if status >= 400:
        return _without_error(status, usage, f"{subject}: HTTP {status}: {_excerpt(body)}")
    return TransientError(f"{subject}: the answer is no JSON object: {_excerpt(body)}")


def classify(status: int, error: dict[str, Any], usage: Usage, subject: str) -> ConnectorError:
    """The error to raise for Meta's ``error`` object. What isn't known to concern more concerns this
    account."""
    code, subcode = _int(error.get("code")), _int(error.get("error_subcode"))
    words = _words(status, error, subject)
    message = words.lower()
    if subcode in _TOO_MUCH_DATA_SUBCODES or "reduce the amount of data" in message:
        return TooMuchDataError(words, "ask for fewer days or smaller pages")
    if code in _TOKEN or (code == 2500 and "access token" in message) or (code is None and status == 401):
        return PlatformError(words, _RENEW_TOKEN)
    if "appsecret_proof" in message:
        return PlatformError(words, "set META_APP_SECRET to the secret of the app that the token belongs to")
    if code in _APP or "deprecated version" in message:
        return PlatformError(
            words, "check the app (META_APP_ID), and upgrade facebook-business if its API version is over"
        )
    if code == _HISTORY:
        return HistoryError(words)
    if code in THROTTLED or status == 429:
        return _throttled(words, usage)
    if code in _TRANSIENT or error.get("is_transient") in (True, "true") or status >= 500:
        return TransientError(words)
    if code == 100 and subcode == 33:
        return AccountError(words, _CHECK_ID)
    if code in (3, 10, 294) or (code is not None and 200 <= code <= 299) or status == 403:
        return AccountError(words, _GIVE_ACCESS)
    return AccountError(words)


def _without_error(status: int, usage: Usage, words: str) -> ConnectorError:
    """HTTP errors of proxies and gateways, without Meta's error object."""
    if status == 429:
        return _throttled(words, usage)
    if status >= 500 or status in (408, 425):
        return TransientError(words)
    if status == 401:
        return PlatformError(words, _RENEW_TOKEN)
    return AccountError(words, "check META_GRAPH_URL" if status == 404 else "")


def _throttled(words: str, usage: Usage) -> ConnectorError:
    if usage.regain_seconds > 0:
        return QuotaError(words, usage.regain_seconds)
    return TransientError(words, "the platform named no delay; if this goes on, lower MDP_PARALLEL_ACCOUNTS")


def _words(status: int, error: dict[str, Any], subject: str) -> str:
    """The platform's own words: the message, the text meant for users, the codes, and what its support asks
    for."""
    texts = [str(error[key]) for key in ("message", "error_user_title", "error_user_msg") if error.get(key)]
    codes = [f"{name} {error[key]}" for key, name in _CODES.items() if error.get(key)]
    message = "; ".join(dict.fromkeys(texts)) or "no message"
    return f"{subject}: {message} ({', '.join([*codes, f'HTTP {status}'])})"


def _int(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _excerpt(body: str) -> str:
    """The beginning of a body, on one line."""
    return " ".join(body[:300].split()) or "empty"
