"""The faults that the sandbox can play on Google Ads."""

from __future__ import annotations

from sandbox.faults import FaultKind

FAULTS = {
    "quota": FaultKind("RESOURCE_EXHAUSTED with a long retry delay", {"delay_s": 3600}),
    "rate_limited_short": FaultKind("RESOURCE_TEMPORARILY_EXHAUSTED with a short retry delay", {"delay_s": 1}),
    "internal": FaultKind("INTERNAL: an error of the service that passes"),
    "unavailable": FaultKind("UNAVAILABLE, without a GoogleAdsFailure"),
    "broken_stream": FaultKind("the stream breaks off after some rows", {"after_rows": 1}),
    "expired_token": FaultKind("UNAUTHENTICATED: OAUTH_TOKEN_EXPIRED"),
    "disabled_account": FaultKind("PERMISSION_DENIED: CUSTOMER_NOT_ENABLED"),
    "bad_developer_token": FaultKind("UNAUTHENTICATED: DEVELOPER_TOKEN_INVALID"),
    "sunset_version": FaultKind("INVALID_ARGUMENT: UNSUPPORTED_VERSION"),
    "slow": FaultKind("the answer waits", {"delay_s": 1}),
    "malformed": FaultKind(
        "row number `row` is damaged: date, conversions or campaign_id", {"row": 0, "field": "date"}
    ),
    "duplicate_rows": FaultKind("the first rows are there twice in the answer", {"rows": 1}),
}
