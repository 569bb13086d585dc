"""Classification of Google Ads' errors, without a server."""

from __future__ import annotations

from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    DeadlineError,
    HistoryError,
    PlatformError,
    QuotaError,
    TransientError,
)
from mdp_dagster.connectors.google_ads import errors
from mdp_dagster.connectors.google_ads.errors import Refusal, classify


@pytest.mark.parametrize(
    "code",
    sorted(
        errors._ACCOUNT.keys()
        | errors._PLATFORM.keys()
        | errors._TRANSIENT
        | errors._HISTORY
        | errors._COST_PAUSES_SECONDS.keys()
    ),
)
def test_every_code_is_one_of_the_sdks(code: str) -> None:
    kind, _, name = code.partition(".")
    module = import_module(f"google.ads.googleads.v26.errors.types.{kind}")
    camel = "".join(part.capitalize() for part in kind.split("_"))
    assert name in getattr(getattr(module, f"{camel}Enum"), camel).__members__


@pytest.mark.parametrize(
    ("status", "codes", "delay", "kind"),
    [
        ("RESOURCE_EXHAUSTED", ("quota_error.RESOURCE_EXHAUSTED",), 3600, QuotaError),
        ("RESOURCE_EXHAUSTED", (), 0, TransientError),
        ("INVALID_ARGUMENT", ("quota_error.EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION",), 30, QuotaError),
        ("INTERNAL", (), 0, TransientError),
        ("UNAVAILABLE", (), 0, TransientError),
        ("DEADLINE_EXCEEDED", (), 0, DeadlineError),
        ("ABORTED", (), 0, TransientError),
        ("UNKNOWN", (), 0, TransientError),
        ("CANCELLED", (), 0, TransientError),
        ("INVALID_ARGUMENT", ("internal_error.TRANSIENT_ERROR",), 0, TransientError),
        ("UNAUTHENTICATED", (), 0, PlatformError),
        ("UNAUTHENTICATED", ("authentication_error.OAUTH_TOKEN_REVOKED",), 0, PlatformError),
        ("UNAUTHENTICATED", ("authentication_error.NOT_ADS_USER",), 0, PlatformError),
        ("UNAUTHENTICATED", ("authentication_error.CUSTOMER_NOT_FOUND",), 0, AccountError),
        ("PERMISSION_DENIED", (), 0, AccountError),
        ("PERMISSION_DENIED", ("authorization_error.CUSTOMER_NOT_ENABLED",), 0, AccountError),
        ("PERMISSION_DENIED", ("authorization_error.DEVELOPER_TOKEN_NOT_APPROVED",), 0, PlatformError),
        ("INVALID_ARGUMENT", ("query_error.REQUESTED_METRICS_FOR_MANAGER",), 0, AccountError),
        ("INVALID_ARGUMENT", ("query_error.UNRECOGNIZED_FIELD",), 0, AccountError),
        ("INVALID_ARGUMENT", ("request_error.UNSUPPORTED_VERSION",), 0, PlatformError),
        (
            "INVALID_ARGUMENT",
            ("date_range_error.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED",),
            0,
            HistoryError,
        ),
        ("NOT_FOUND", (), 0, AccountError),
        ("UNIMPLEMENTED", (), 0, PlatformError),
    ],
)
def test_what_a_refusal_means(status: str, codes: tuple[str, ...], delay: float, kind: type[ConnectorError]) -> None:
    error = classify(Refusal(status, "Words.", codes, "req-1", delay), "123", "v26")
    assert type(error) is kind
    assert "Google Ads account 123: Words." in error.message
    assert "request id req-1" in error.message
    for code in codes:
        assert code in error.message


@pytest.mark.parametrize("status", ["RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"])
@pytest.mark.parametrize(
    ("code", "named_delay", "pause"),
    [
        ("EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", 0, 5 * 60),
        ("EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION", 0, 30 * 60),
        ("EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION", 40, 40),
    ],
)
def test_a_query_that_is_throttled_for_its_cost_waits_as_long_as_google_asks(
    status: str, code: str, named_delay: float, pause: float
) -> None:
    error = classify(Refusal(status, "Excessive.", (f"quota_error.{code}",), "", named_delay), "1", "v26")
    assert isinstance(error, QuotaError)
    assert error.retry_after_seconds == pause


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (
            "Getting metadata from plugin failed with error: ('invalid_grant: Token has been revoked.', {})",
            PlatformError,
        ),
        ("Getting metadata from plugin failed with error: HTTPSConnectionPool timed out", TransientError),
        ("failed to connect: Ssl handshake failed: CERTIFICATE_VERIFY_FAILED", PlatformError),
        ("failed to connect to all addresses: Connection refused", TransientError),
    ],
)
def test_unavailable_can_be_something_that_no_other_try_mends(words: str, kind: type[ConnectorError]) -> None:
    assert type(classify(Refusal("UNAVAILABLE", words), "1", "v26")) is kind


def test_an_api_that_is_not_enabled_concerns_everything() -> None:
    words = "Google Ads API has not been used in project 12 before or it is disabled."
    assert type(classify(Refusal("PERMISSION_DENIED", words), "1", "v26")) is PlatformError


codes = st.lists(st.sampled_from(sorted(errors._ACCOUNT | errors._PLATFORM)) | st.text(max_size=20), max_size=4)


@given(st.text(max_size=20), st.text(max_size=50), codes, st.floats(0, 1e6))
def test_any_refusal_is_some_connector_error(status: str, words: str, found: list[str], delay: float) -> None:
    error = classify(Refusal(status, words, tuple(found), "", delay), "1", "v26")
    assert isinstance(error, ConnectorError)


def test_a_failure_is_read_from_either_trailer() -> None:
    import grpc
    from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
    from google.api_core.exceptions import ResourceExhausted
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.rpc.status_pb2 import Status

    from mdp_dagster.connectors.google_ads.refusals import refusal_of

    failure = GoogleAdsFailure(
        errors=[
            {
                "error_code": {"quota_error": "RESOURCE_EXHAUSTED"},
                "message": "Too many requests.",
                "details": {"quota_error_details": {"retry_delay": {"seconds": 40, "nanos": 500_000_000}}},
            }
        ],
        request_id="abc",
    )
    raw = GoogleAdsFailure.pb(failure)
    packed = AnyMessage()
    packed.Pack(raw)
    own = ("google.ads.googleads.v25.errors.googleadsfailure-bin", raw.SerializeToString())
    general = ("grpc-status-details-bin", Status(details=[packed]).SerializeToString())

    class Call(grpc.RpcError):
        def __init__(self, *metadata: tuple[str, bytes]) -> None:
            self.trailing_metadata = lambda: metadata
            self.code = lambda: grpc.StatusCode.RESOURCE_EXHAUSTED
            self.details = lambda: "Resource has been exhausted."

    for metadata in ([own], [general], [("x-bin", b"\xff"), (own[0], b"\xff\xff"), general]):
        for error in (Call(*metadata), ResourceExhausted("x", response=Call(*metadata))):
            refusal = refusal_of(error, "v26")
            assert refusal == Refusal(
                "RESOURCE_EXHAUSTED", "Too many requests.", ("quota_error.RESOURCE_EXHAUSTED",), "abc", 40.5
            )
    assert refusal_of(Call(), "v26") == Refusal("RESOURCE_EXHAUSTED", "Resource has been exhausted.")
    assert refusal_of(ResourceExhausted("plain"), "v26").status == "RESOURCE_EXHAUSTED"
