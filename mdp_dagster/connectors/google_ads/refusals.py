"""Reading google-ads', google-api-core's and gRPC's exceptions into a ``Refusal``. Imports the SDK."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import grpc
from google.ads.googleads.errors import GoogleAdsException
from google.api_core.exceptions import GoogleAPICallError
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from mdp_dagster.connectors.google_ads.errors import Refusal

CALL_ERRORS = (GoogleAdsException, GoogleAPICallError, grpc.RpcError)

# google-api-core raises these for a trailer that is not a google.rpc.Status, gRPC for a header that it can't send.
STUMBLES = (DecodeError, ValueError, TypeError)

_FAILURE_KEY = re.compile(r"google\.ads\.googleads\.v\d+\.errors\.googleadsfailure-bin")


def call_error(error: Exception) -> Exception | None:
    """The failed call behind an exception; None if no call was made."""
    return next((one for one in (error, error.__context__) if isinstance(one, CALL_ERRORS)), None)


def api_version(service: Any) -> str:
    """The API version of a service, as in ``v26``."""
    found = re.search(r"\.(v\d+)\.", type(service).__module__)
    return found.group(1) if found else ""


def refusal_of(error: Exception, version: str) -> Refusal:
    """The content of a failed call."""
    failure_type = _failure_type(version)
    call = error.error if isinstance(error, GoogleAdsException) else getattr(error, "response", None) or error
    metadata = list(_trailing_metadata(call))
    request_id = next((_text(value) for key, value in metadata if key == "request-id"), "")
    failure = next(_failures(metadata, failure_type), None)
    details = failure.errors if failure is not None else ()
    return Refusal(
        status=_status(error, call),
        message="; ".join(dict.fromkeys(e.message for e in details if e.message)) or _message(error, call),
        codes=tuple(filter(None, (_code(e.error_code) for e in details))),
        request_id=request_id or (failure.request_id if failure is not None else ""),
        retry_delay_seconds=max((_retry_delay(e) for e in details), default=0.0),
    )


@cache
def _failure_type(version: str) -> Any:
    """The raw protobuf class ``GoogleAdsFailure``."""
    module = import_module(f"google.ads.googleads.{version}.errors.types.errors")
    return type(module.GoogleAdsFailure.pb(module.GoogleAdsFailure()))


def _status(error: Exception, call: Any) -> str:
    code = call.code() if callable(getattr(call, "code", None)) else getattr(error, "grpc_status_code", None)
    return code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"


def _message(error: Exception, call: Any) -> str:
    details = call.details() if callable(getattr(call, "details", None)) else None
    return str(details or getattr(error, "message", "") or error)


def _trailing_metadata(call: Any) -> Iterable[tuple[str, Any]]:
    read = getattr(call, "trailing_metadata", None)
    return (read() if callable(read) else None) or ()


def _failures(metadata: list[tuple[str, Any]], failure_type: Any) -> Iterator[Any]:
    """Google Ads' own trailer, of any version, then the general one, which may contain the same message."""
    for key, value in metadata:
        try:
            if _FAILURE_KEY.fullmatch(key):
                yield failure_type.FromString(value)
            elif key == "grpc-status-details-bin":
                for detail in Status.FromString(value).details:
                    if detail.type_url.endswith(".GoogleAdsFailure"):
                        yield failure_type.FromString(detail.value)
        except DecodeError:
            continue


def _code(error_code: Any) -> str:
    """The kind of error and its name, for example ``quota_error.RESOURCE_EXHAUSTED``."""
    kind = error_code.WhichOneof("error_code")
    if kind is None:
        return ""
    number = getattr(error_code, kind)
    known = error_code.DESCRIPTOR.fields_by_name[kind].enum_type.values_by_number.get(number)
    return f"{kind}.{known.name if known else number}"


def _retry_delay(error: Any) -> float:
    delay = error.details.quota_error_details.retry_delay
    return float(delay.seconds + delay.nanos / 1e9)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
