"""The errors for Meta's refusals: try again, try later, one account, or every account.

The HTTP status and the body decide, not the SDK: it accepts an HTML 502 as a success, and raises ``TypeError`` for some
bodies. Error codes: https://developers.facebook.com/docs/marketing-api/error-reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
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
_TIMED_OUT = {1504018, 1504022}
_UNKNOWN_ERROR, _TIMED_OUT_SUBCODE = 1, 99
_INVALID_CURSOR = 2642

_CODES = {"type": "type", "code": "code", "error_subcode": "subcode", "fbtrace_id": "fbtrace_id"}

# Meta's answers are six levels deep. Python can parse a much deeper one, but not print or write it.
_MOST_LEVELS = 50
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST_WORDS = 2_000

_RENEW_TOKEN = "set META_ACCESS_TOKEN to a valid token; a system user's token doesn't expire"
_GIVE_ACCESS = "give the token's user access to the ad account, and the token the permission ads_read"
_CHECK_ID = "check the account id in the clients file (config/clients.yaml), and that the token's user has access to it"


class TooMuchDataError(AccountError):
    """The platform can't answer so much at once. A smaller request may succeed."""


class TimedOutError(TransientError):
    """The platform took too long to answer. A smaller request takes less time."""


class InvalidCursorError(AccountError):
    """The platform no longer accepts the cursor of a page."""


class BrokenPagingError(TransientError):
    """The pages don't come to an end. They must be read again from the first one."""


def parse_object(body: str) -> dict[str, Any] | None:
    """A JSON object with its numbers as text; None for any other body, or one that is too deep.

    Half a surrogate pair, which JSON allows and UTF-8 does not, becomes a question mark.
    """
    value = _parse(body)
    return value if isinstance(value, dict) else None


def _parse(body: str) -> Any:
    try:
        value = json.loads(body, parse_int=str, parse_float=str, parse_constant=str)
        if not _is_shallow(body, value):
            return None
        if _SURROGATE.search(body):
            written = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
            value = json.loads(written)
    except (ValueError, RecursionError):
        return None
    return value


def _is_shallow(body: str, value: Any) -> bool:
    """True for a body with few levels.

    Removing pairs of brackets, the innermost first, costs a hundredth of parsing the body. Brackets in texts may not
    be in pairs; then each object is checked.
    """
    brackets = body.encode("utf-8", "replace").translate(None, _NO_BRACKETS)
    for _ in range(_MOST_LEVELS):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return _has_few_levels(value)


def _has_few_levels(value: Any) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(_MOST_LEVELS):
        if not level:
            return True
        inside = (inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
        level = [inner for inner in inside if isinstance(inner, (dict, list))]
    return False


def refusal(status: int, body: str, usage: Usage, subject: str, redact: Callable[[str], str] = str) -> ConnectorError:
    """The error to raise for an answer with a status of 400 or more, with an ``error``, or without a JSON object.

    Args:
        status: The HTTP status.
        body: The answer's body.
        usage: The state of the rate limits.
        subject: The beginning of the message: the account.
        redact: Removes secrets from the platform's words. It runs after parsing: JSON can write a letter in several
            ways.
    """
    answer = _parse(body)
    error = answer.get("error") if isinstance(answer, dict) else None
    if error:
        known = error if isinstance(error, dict) else {"message": str(error)}
        return classify(status, known, usage, subject, redact)
    excerpt = _excerpt(redact(body if answer is None else json.dumps(answer, ensure_ascii=False)))
    if status >= 400:
        return _without_error(status, usage, f"{subject}: HTTP {status}: {excerpt}")
    return TransientError(f"{subject}: the answer is not a JSON object: {excerpt}")


def classify(
    status: int, error: dict[str, Any], usage: Usage, subject: str, redact: Callable[[str], str] = str
) -> ConnectorError:
    """The error to raise for Meta's ``error`` object. An unknown error concerns one account."""
    code, subcode = _int(error.get("code")), _int(error.get("error_subcode"))
    words = f"{subject}: {_words(status, error, redact)}"
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
    if code == _INVALID_CURSOR:
        return InvalidCursorError(words)
    if {code, subcode} & _TIMED_OUT or (code, subcode) == (_UNKNOWN_ERROR, _TIMED_OUT_SUBCODE):
        return TimedOutError(words)
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
    if status == 504:
        return TimedOutError(words)
    if status >= 500 or status in (408, 425):
        return TransientError(words)
    if status == 401:
        return PlatformError(words, _RENEW_TOKEN)
    return AccountError(words, "check META_GRAPH_URL" if status == 404 else "")


def _throttled(words: str, usage: Usage) -> ConnectorError:
    if usage.regain_seconds > 0:
        return QuotaError(words, usage.regain_seconds)
    return TransientError(words, "the platform named no delay; if this goes on, lower MDP_PARALLEL_ACCOUNTS")


def _words(status: int, error: dict[str, Any], redact: Callable[[str], str]) -> str:
    """The platform's own words: the message, the text for users, the codes, and the trace id for its support."""
    texts = [str(error[key]) for key in ("message", "error_user_title", "error_user_msg") if error.get(key)]
    codes = [f"{name} {error[key]}" for key, name in _CODES.items() if error.get(key)]
    message = redact("; ".join(dict.fromkeys(texts)))[:_LONGEST_WORDS] or "no message"
    known = redact(", ".join(codes))[:_LONGEST_WORDS]
    return f"{message} ({known}{', ' if known else ''}HTTP {status})"


def _int(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _excerpt(body: str) -> str:
    """The beginning of a body, on one line."""
    return " ".join(body[:300].split()) or "empty"
