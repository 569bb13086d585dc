"""Who may ask for what: the checks that precede a query, and the faults that stand in their place."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.faults import Fault, Faults
from sandbox.google_ads import errors
from sandbox.google_ads.errors import AdsError
from sandbox.google_ads.query import clients_of
from sandbox.google_ads.tokens import Tokens
from sandbox.model import Account
from sandbox.world import World

_REFUSALS = (
    "expired_token",
    "bad_developer_token",
    "sunset_version",
    "disabled_account",
    "quota",
    "rate_limited_short",
    "internal",
    "unavailable",
)


def authenticate(metadata: Mapping[str, str], tokens: Tokens) -> None:
    """The access token and the developer token; raises AdsError."""
    scheme, _, token = metadata.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise errors.unauthenticated("OAUTH_TOKEN_HEADER_INVALID")
    state = tokens.state(token)
    if state != "valid":
        raise errors.unauthenticated("OAUTH_TOKEN_EXPIRED" if state == "expired" else "OAUTH_TOKEN_INVALID")
    if not metadata.get("developer-token"):
        raise errors.request_error(
            "DEVELOPER_TOKEN_PARAMETER_MISSING",
            "The developer token was not supplied in the request headers.",
        )


def customer(world: World, customer_id: str, login_customer_id: str | None) -> Account:
    """The requested account, if the sandbox's user has access to it; otherwise raises AdsError.

    An account is reached directly, or through a manager that is named and reached directly.
    """
    if not customer_id.isdigit():
        raise errors.request_error("INVALID_CUSTOMER_ID", f"Invalid customer ID '{customer_id}'.")
    account = world.account("google_ads", customer_id)
    if account is None:
        raise errors.user_permission_denied()
    if login_customer_id is None:
        if not account.direct:
            raise errors.user_permission_denied()
    else:
        login = world.account("google_ads", login_customer_id)
        if login is None or not login.direct:
            raise errors.user_permission_denied()
        if account not in (client.account for client in clients_of(world, login)):
            raise errors.user_permission_denied()
    if account.status != "ENABLED":
        raise errors.customer_not_enabled()
    return account


def refuse(faults: Faults, account_id: str | None, method: str) -> None:
    """Raise the error of a fault that hits this request, if there is one."""
    fault = faults.take("google_ads", _REFUSALS, account_id=account_id, method=method)
    if fault is not None:
        raise _refusal(fault)


def _refusal(fault: Fault) -> AdsError:
    match fault.kind:
        case "expired_token":
            return errors.unauthenticated("OAUTH_TOKEN_EXPIRED", "OAuth token in the header has expired.")
        case "bad_developer_token":
            return errors.unauthenticated("DEVELOPER_TOKEN_INVALID", "The developer token is not valid.")
        case "sunset_version":
            return errors.request_error(
                "UNSUPPORTED_VERSION", "Version is deprecated. Requests to this version will be blocked."
            )
        case "disabled_account":
            return errors.customer_not_enabled()
        case "quota":
            delay = fault.number("delay_s")
            return errors.quota("RESOURCE_EXHAUSTED", delay, "Number of operations for basic access")
        case "rate_limited_short":
            delay = fault.number("delay_s")
            return errors.quota("RESOURCE_TEMPORARILY_EXHAUSTED", delay, "Requests per second per customer")
        case "internal":
            return errors.internal()
        case _:
            return errors.unavailable()
