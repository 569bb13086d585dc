"""Errors as the Graph API gives them. The messages are the service's own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class GraphError(Exception):
    """An error body with its HTTP status."""

    code: int
    message: str
    status: int = 400
    type: str = "OAuthException"
    subcode: int | None = None
    transient: bool | None = None
    title: str = ""
    user_message: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def body(self, trace_id: str) -> dict[str, Any]:
        """Returns the JSON body of the answer."""
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        if self.title:
            error |= {"error_user_title": self.title, "error_user_msg": self.user_message}
        return {"error": error | {"fbtrace_id": trace_id}}


def invalid_parameter(message: str) -> GraphError:
    """Returns the error for a parameter that the API does not accept."""
    return GraphError(100, f"(#100) {message}")


def no_such_field(name: str, node: str) -> GraphError:
    """Returns the error for a field that the node does not have."""
    return GraphError(100, f"(#100) Tried accessing nonexisting field ({name}) on node type ({node})")


def unsupported_get(object_id: str) -> GraphError:
    """Returns the error for an object that does not exist or cannot be read."""
    return GraphError(
        100,
        f"Unsupported get request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api",
        type="GraphMethodException",
        subcode=33,
    )


def unknown_path(path: str) -> GraphError:
    """Returns the error for a path that the API does not have."""
    return GraphError(2500, f"Unknown path components: {path}")


def token_required() -> GraphError:
    """Returns the error for a request without a token."""
    return GraphError(104, "An access token is required to request this resource.")


def token_malformed() -> GraphError:
    """Returns the error for a text that is not a token."""
    return GraphError(190, "Malformed access token")


def token_expired() -> GraphError:
    """Returns the error for a token that has expired."""
    return GraphError(
        190,
        "Error validating access token: Session has expired on Friday, 20-Nov-26 01:00:00 PST. The current time is "
        "Friday, 20-Nov-26 04:00:00 PST.",
        subcode=463,
    )


def bad_proof() -> GraphError:
    """Returns the error for a wrong `appsecret_proof`."""
    return GraphError(100, "Invalid appsecret_proof provided in the API argument", type="GraphMethodException")


def permission_withdrawn() -> GraphError:
    """Returns the error for an account that no longer grants access."""
    return GraphError(200, "(#200) Ad account owner has NOT grant ads_management or ads_read permission", status=403)


def version_sunset(current: str) -> GraphError:
    """Returns the error for an API version that has ended."""
    return GraphError(
        2635,
        f"(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: {current}.",
        type="FacebookApiException",
    )


def throttled(code: int) -> GraphError:
    """Returns the error for too many requests, by Meta's code for the exceeded limit."""
    match code:
        case 4:
            return GraphError(4, "(#4) Application request limit reached", status=403, transient=True, subcode=1504022)
        case 17:
            return GraphError(17, "(#17) User request limit reached", transient=True, subcode=2446079)
        case 613:
            return GraphError(613, "(#613) Calls to this api have exceeded the rate limit.", subcode=1487742)
        case 32:
            return GraphError(32, "(#32) Page request limit reached", status=403)
        case _:
            return GraphError(
                code,
                f"(#{code}) There have been too many calls from this ad-account. Wait a bit and try again. For more "
                "info, please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting.",
                subcode=2446079,
            )


def transient(code: int) -> GraphError:
    """Returns a server error that a client may retry."""
    message = {1: "An unknown error occurred", 2: "Service temporarily unavailable"}.get(code, "Unexpected error")
    return GraphError(code, message, status=500, transient=code == 2)


def reduce_data() -> GraphError:
    """Returns the error for a request that asks for too much data."""
    return GraphError(
        100,
        "Please reduce the amount of data you're asking for, then retry your request",
        status=500,
        subcode=1487534,
    )


def history_exceeded() -> GraphError:
    """Returns the error for days before the 37 months that Meta keeps."""
    return GraphError(3018, "(#3018) The start date of the time range cannot be beyond 37 months from the current date")


def not_modelled(what: str) -> GraphError:
    """The error for a real feature that the sandbox lacks. Nobody should take it for the platform's answer."""
    return GraphError(100, f"The sandbox doesn't model {what}.", status=501, type="SandboxException")
