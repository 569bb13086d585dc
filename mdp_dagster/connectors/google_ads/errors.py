"""The errors for Google Ads' refusals: try again, try later, one account, or every account.

``except GoogleAdsException`` isn't enough: RESOURCE_EXHAUSTED and INTERNAL arrive as ``google.api_core``
exceptions even when they carry a ``GoogleAdsFailure``. So every kind of exception is first read into a
``Refusal`` (``refusals.py``). Error codes: https://developers.google.com/google-ads/api/docs/common-errors
and google-ads' ``errors`` package.
"""

from __future__ import annotations

from dataclasses import dataclass

from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    DeadlineError,
    HistoryError,
    PlatformError,
    QuotaError,
    TransientError,
)

_TRANSIENT_STATUS = {
    "INTERNAL",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "UNKNOWN",
    "CANCELLED",
    "DATA_LOSS",
}
_TRANSIENT = {
    "internal_error.INTERNAL_ERROR",
    "internal_error.TRANSIENT_ERROR",
    "internal_error.DEADLINE_EXCEEDED",
    "request_error.RPC_DEADLINE_TOO_SHORT",
}
_HISTORY = {
    "date_range_error.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED",
    "date_error.EARLIER_THAN_MINIMUM_DATE",
}

# Google throttles queries for their cost. It asks for these pauses in its documentation, not in the answer.
_COST_PAUSES_SECONDS = {
    "quota_error.EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION": 5 * 60.0,
    "quota_error.EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION": 30 * 60.0,
}

_REACTIVATE = "reactivate the account in Google Ads, or take it out of the clients file (config/clients.yaml)"
_CHECK_ID = "check the account id in the clients file (config/clients.yaml)"
_GIVE_ACCESS = (
    "give the credentials' user access to the account; if it is reached through a manager account, "
    "set GOOGLE_ADS_LOGIN_CUSTOMER_ID to the manager or list the manager in the clients file"
)
# Refusals of one account, with the remedy for each.
_ACCOUNT = {
    "authentication_error.CUSTOMER_NOT_FOUND": _CHECK_ID,
    "authentication_error.CLIENT_CUSTOMER_ID_INVALID": _CHECK_ID,
    "request_error.INVALID_CUSTOMER_ID": _CHECK_ID,
    "authentication_error.TWO_STEP_VERIFICATION_NOT_ENROLLED": "enrol the credentials' user in 2-Step Verification",
    "authentication_error.ADVANCED_PROTECTION_NOT_ENROLLED": "enrol the credentials' user in Advanced Protection",
    "authorization_error.USER_PERMISSION_DENIED": _GIVE_ACCESS,
    "authorization_error.INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION": _GIVE_ACCESS,
    "authorization_error.CUSTOMER_NOT_ENABLED": _REACTIVATE,
    "authorization_error.ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT": _REACTIVATE,
    "authorization_error.ACCESS_DENIED_FOR_ACCOUNT_TYPE": "take it out of the clients file",
    "query_error.REQUESTED_METRICS_FOR_MANAGER": "list its client accounts: a manager account has no metrics",
}
_CREDENTIALS = "check the credentials (GOOGLE_ADS_JSON_KEY_FILE_PATH or GOOGLE_ADS_REFRESH_TOKEN) and their access"
_DEVELOPER_TOKEN = (
    "check GOOGLE_ADS_DEVELOPER_TOKEN, its access level and the Google Cloud project behind the credentials"
)
_UPGRADE = "upgrade the google-ads package: its default API version must be one that is served"
_LOGIN_CUSTOMER = "set GOOGLE_ADS_LOGIN_CUSTOMER_ID to the manager account's ten digits"
_UNSUPPORTED_VERSION = "request_error.UNSUPPORTED_VERSION"
# Refusals of every account, as all other authentication errors are.
_PLATFORM = {
    "authentication_error.DEVELOPER_TOKEN_INVALID": _DEVELOPER_TOKEN,
    "authentication_error.ORGANIZATION_NOT_ASSOCIATED_WITH_DEVELOPER_TOKEN": _DEVELOPER_TOKEN,
    "authorization_error.DEVELOPER_TOKEN_NOT_ON_ALLOWLIST": _DEVELOPER_TOKEN,
    "authorization_error.DEVELOPER_TOKEN_PROHIBITED": _DEVELOPER_TOKEN,
    "authorization_error.DEVELOPER_TOKEN_NOT_APPROVED": _DEVELOPER_TOKEN,
    "authorization_error.PROJECT_DISABLED": _DEVELOPER_TOKEN,
    "authorization_error.MISSING_TOS": "sign Google Ads API's terms of service in the Google Cloud console",
    "authorization_error.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION": _DEVELOPER_TOKEN,
    "authorization_error.CLOUD_PROJECT_NOT_UNDER_ORGANIZATION": _DEVELOPER_TOKEN,
    "authorization_error.SERVICE_ACCESS_DENIED": _DEVELOPER_TOKEN,
    "header_error.INVALID_LOGIN_CUSTOMER_ID": _LOGIN_CUSTOMER,
    "request_error.DEVELOPER_TOKEN_PARAMETER_MISSING": "set GOOGLE_ADS_DEVELOPER_TOKEN",
    "request_error.CLOUD_PROJECT_NOT_FOUND": _DEVELOPER_TOKEN,
}


@dataclass(frozen=True)
class Refusal:
    """A failed call: gRPC's status and message, and the content of the ``GoogleAdsFailure`` if there is one."""

    status: str
    message: str
    codes: tuple[str, ...] = ()  # "quota_error.RESOURCE_EXHAUSTED"
    request_id: str = ""
    retry_delay_seconds: float = 0.0

    def words(self, account_id: str) -> str:
        """The platform's own words, with the request id that its support needs."""
        reason = ", ".join((self.status, *self.codes))
        request = f", request id {self.request_id}" if self.request_id else ""
        return f"Google Ads account {account_id}: {self.message or 'no message'} ({reason}{request})"


def classify(refusal: Refusal, account_id: str, api_version: str) -> ConnectorError:
    """The error to raise for a refusal. An unknown refusal concerns one account."""
    words, status, codes = refusal.words(account_id), refusal.status, refusal.codes
    if status == "UNIMPLEMENTED" or _UNSUPPORTED_VERSION in codes:
        return PlatformError(f"Google Ads API {api_version} is no longer served. {words}", _UPGRADE)
    for code in codes:
        if code in _PLATFORM:
            return PlatformError(words, _PLATFORM[code])
        if code in _ACCOUNT:
            return AccountError(words, _ACCOUNT[code])
        if code in _HISTORY:
            return HistoryError(words)
        if code.startswith("authentication_error."):
            return PlatformError(words, _CREDENTIALS)
    if status == "RESOURCE_EXHAUSTED" or any(code.startswith("quota_error.") for code in codes):
        delay = refusal.retry_delay_seconds or max(_COST_PAUSES_SECONDS.get(code, 0.0) for code in codes or ("",))
        if delay > 0:
            return QuotaError(words, delay)
        return TransientError(words, "the platform named no delay; if this goes on, lower MDP_PARALLEL_ACCOUNTS")
    if status == "UNAUTHENTICATED":
        return PlatformError(words, _CREDENTIALS)
    if status in _TRANSIENT_STATUS or any(code in _TRANSIENT for code in codes):
        return _broken_off(status, words)
    if status == "PERMISSION_DENIED" and "has not been used in project" in refusal.message:
        return PlatformError(words, "enable the Google Ads API in the credentials' Google Cloud project")
    return AccountError(words, _GIVE_ACCESS if status == "PERMISSION_DENIED" else "")


def _broken_off(status: str, words: str) -> ConnectorError:
    """A call that never reached the platform or broke off; some of these no other try can mend."""
    if "CERTIFICATE_VERIFY_FAILED" in words or "certificate signature failure" in words:
        return PlatformError(words, "check GOOGLE_ADS_ENDPOINT and GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    # gRPC reports a failed token refresh as UNAVAILABLE.
    if "metadata from plugin failed" in words and ("RefreshError" in words or "invalid_grant" in words):
        return PlatformError(words, _CREDENTIALS)
    return DeadlineError(words) if status == "DEADLINE_EXCEEDED" else TransientError(words)
