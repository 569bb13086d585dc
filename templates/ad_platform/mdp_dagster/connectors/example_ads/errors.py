"""The errors for the refusals of Example Ads: try again, try later, one account, or every account."""

from __future__ import annotations

import json

from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    HistoryError,
    PlatformError,
    QuotaError,
    TransientError,
)

_RENEW_TOKEN = "set EXAMPLE_ADS_ACCESS_TOKEN to a valid token"
_CHECK_ACCOUNT = "check the account id in the clients file (config/clients.yaml), and the token's access to the account"


def refusal(status: int, body: str, retry_after_seconds: float, subject: str) -> ConnectorError:
    """The error to raise for a refused request. An unknown refusal concerns one account.

    Args:
        status: The HTTP status.
        body: The answer's body, without secrets.
        retry_after_seconds: The delay that the platform asks for; 0 if it names none.
        subject: The beginning of the message: the account.
    """
    code, message = _code_and_message(body)
    words = f"{subject}: {message} ({code or 'no code'}, HTTP {status})"
    if code == "date_out_of_range":
        return HistoryError(words)
    if status == 401:
        return PlatformError(words, _RENEW_TOKEN)
    if status == 429:
        if retry_after_seconds > 0:
            return QuotaError(words, retry_after_seconds)
        return TransientError(words, "if this goes on, lower MDP_PARALLEL_ACCOUNTS")
    if status >= 500:
        return TransientError(words)
    return AccountError(words, _CHECK_ACCOUNT if status in (403, 404) else "")


def _code_and_message(body: str) -> tuple[str, str]:
    try:
        error = json.loads(body)["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", " ".join(body[:300].split()) or "empty answer"
