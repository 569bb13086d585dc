"""Errors as the Google Ads API gives them: a gRPC status, and a GoogleAdsFailure with one error inside.

The messages are the service's own words.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

INVALID_ARGUMENT = "Request contains an invalid argument."
PERMISSION_DENIED = "The caller does not have permission"
UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


@dataclass(slots=True, eq=False)
class AdsError(Exception):
    """`category` is a field of ErrorCode and `code` a value of its enum; without them there is no GoogleAdsFailure."""

    status: grpc.StatusCode
    details: str
    category: str = ""
    code: str = ""
    message: str = ""
    retry_delay_s: float | None = None
    rate_name: str = ""

    def __str__(self) -> str:
        return self.message or self.details


def query_error(code: str, message: str) -> AdsError:
    """Returns a refusal of the query: the request cannot be answered as it is written."""
    return AdsError(grpc.StatusCode.INVALID_ARGUMENT, INVALID_ARGUMENT, "query_error", code, message)


def request_error(code: str, message: str) -> AdsError:
    """Returns a refusal of the request's parameters."""
    return AdsError(grpc.StatusCode.INVALID_ARGUMENT, INVALID_ARGUMENT, "request_error", code, message)


def unauthenticated(code: str, message: str = UNAUTHENTICATED) -> AdsError:
    """Returns the error for missing or invalid credentials."""
    return AdsError(grpc.StatusCode.UNAUTHENTICATED, UNAUTHENTICATED, "authentication_error", code, message)


def permission_denied(code: str, message: str) -> AdsError:
    """Returns the error for credentials without the permission."""
    return AdsError(grpc.StatusCode.PERMISSION_DENIED, PERMISSION_DENIED, "authorization_error", code, message)


def user_permission_denied() -> AdsError:
    """Returns the error for an account that the user cannot reach, or not through this manager."""
    return permission_denied(
        "USER_PERMISSION_DENIED",
        "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's "
        "customer id must be set in the 'login-customer-id' header. See "
        "https://developers.google.com/google-ads/api/docs/concepts/call-structure#cid",
    )


def customer_not_enabled() -> AdsError:
    """Returns the error for an account that is suspended or closed."""
    return permission_denied(
        "CUSTOMER_NOT_ENABLED",
        "The customer account can't be accessed because it is not yet enabled or has been deactivated.",
    )


def quota(code: str, delay_s: float, rate_name: str) -> AdsError:
    """Returns the error for exhausted quota, with the seconds to wait."""
    return AdsError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Resource has been exhausted (e.g. check quota).",
        "quota_error",
        code,
        f"Too many requests. Retry in {delay_s:g} seconds.",
        retry_delay_s=delay_s,
        rate_name=rate_name,
    )


def internal() -> AdsError:
    """Returns Google's internal error, which a client may retry."""
    return AdsError(
        grpc.StatusCode.INTERNAL,
        "Internal error encountered.",
        "internal_error",
        "INTERNAL_ERROR",
        "An internal error has occurred.",
    )


def unavailable() -> AdsError:
    """Returns the error for a service that is down, which a client may retry."""
    return AdsError(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")


def not_modelled(what: str) -> AdsError:
    """The error for a real feature that the sandbox lacks. Nobody should take it for the platform's answer."""
    return AdsError(grpc.StatusCode.UNIMPLEMENTED, f"The sandbox doesn't model {what}.")
