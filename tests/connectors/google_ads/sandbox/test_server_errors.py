"""Refusals and faults of the Google Ads server, in the form that the real client receives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import grpc
import pytest
from google.ads.googleads.client import GoogleAdsClient
from google.ads.googleads.errors import GoogleAdsException
from google.api_core.exceptions import (
    GoogleAPICallError,
    InternalServerError,
    ResourceExhausted,
    ServiceUnavailable,
)

from sandbox import Sandbox
from tests.support.limits import HANG_SECONDS
from tests.support.sandbox_clients import CLOSED, EAST, MANAGER, NEW_ZEALAND, NORDLICHT, WEST, Ads

CUSTOMER = "SELECT customer.id FROM customer"
DAILY = (
    "SELECT campaign.id, segments.date, metrics.clicks, metrics.conversions FROM campaign "
    "WHERE segments.date BETWEEN '2026-09-22' AND '2026-11-20'"
)


def _refusal(ads: Ads, query: str, customer_id: str = NORDLICHT, **more: str) -> tuple[str, str, GoogleAdsException]:
    with pytest.raises(GoogleAdsException) as raised:
        ads(query, customer_id, **more)
    failure = raised.value.failure  # a proto-plus message, with any setting of the client
    (field, number), *others = type(failure).pb(failure).errors[0].error_code.ListFields()
    assert not others
    return field.name, field.enum_type.values_by_number[number].name, raised.value


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT campaign.foo FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id, nonsense FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.start_date FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM campaign WHERE campaign.foo = 1", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM nothing", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign.id FROM customer", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT customer.id FROM customer WHERE campaign.id = 1", "PROHIBITED_RESOURCE_TYPE_IN_WHERE_CLAUSE"),
        ("SELECT customer_client.id, metrics.clicks FROM customer_client", "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),  # noqa: E501
        ("SELECT customer_client.id, segments.date FROM customer_client", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),  # noqa: E501
        ("SELECT campaign.id FROM campaign ORDER BY campaign.name", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id campaign.name FROM campaign", "UNEXPECTED_INPUT"),
        ("FROM campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id", "EXPECTED_FROM"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status = 'GONE'", "BAD_ENUM_CONSTANT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status > 'PAUSED'", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT campaign.id FROM campaign WHERE segments.date = '20 Nov'", "INVALID_DATE_FORMAT"),
        ("SELECT campaign.id FROM campaign WHERE segments.date DURING LAST_5_DAYS", "INVALID_VALUE_WITH_DURING_OPERATOR"),  # noqa: E501
        ("SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '2026-02-01' AND '2026-01-01'", "DATE_RANGE_TOO_NARROW"),  # noqa: E501
    ],
)  # fmt: skip
def test_a_query_is_refused_with_the_real_services_error_code(ads: Ads, query: str, code: str) -> None:
    category, name, raised = _refusal(ads, query)
    assert (category, name) == ("query_error", code)
    assert raised.error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.request_id == raised.failure.request_id


def test_an_unknown_field_is_named(ads: Ads) -> None:
    _, _, raised = _refusal(ads, "SELECT metrics.video_views FROM campaign")
    assert raised.failure.errors[0].message == "Unrecognized field in the query: 'metrics.video_views'."
    assert raised.error.details() == "Request contains an invalid argument."


def test_a_manager_has_no_metrics(ads: Ads) -> None:
    query = "SELECT customer.id, metrics.clicks FROM customer"
    assert _refusal(ads, query, MANAGER)[:2] == ("query_error", "REQUESTED_METRICS_FOR_MANAGER")


@pytest.mark.parametrize(
    ("customer_id", "more"),
    [
        ("1234567890", {}),
        (WEST, {}),
        (NEW_ZEALAND, {}),
        (NORDLICHT, {"login": MANAGER}),
        (WEST, {"login": EAST}),
    ],
)
def test_the_error_for_a_missing_permission_names_the_manager_header(
    ads: Ads, customer_id: str, more: dict[str, str]
) -> None:
    category, code, raised = _refusal(ads, CUSTOMER, customer_id, **more)
    assert (category, code) == ("authorization_error", "USER_PERMISSION_DENIED")
    assert "'login-customer-id' header" in raised.failure.errors[0].message
    assert raised.error.code() is grpc.StatusCode.PERMISSION_DENIED


def test_the_error_for_a_closed_account_is_that_it_is_not_enabled(ads: Ads) -> None:
    assert _refusal(ads, CUSTOMER, CLOSED, login=MANAGER)[:2] == (
        "authorization_error",
        "CUSTOMER_NOT_ENABLED",
    )


def test_a_missing_developer_token_is_refused(google_client: Callable[..., GoogleAdsClient]) -> None:
    service = google_client(developer_token=None).get_service("GoogleAdsService")
    with pytest.raises(GoogleAdsException) as raised:
        list(service.search_stream(customer_id=NORDLICHT, query=CUSTOMER))
    assert "request_error: DEVELOPER_TOKEN_PARAMETER_MISSING" in str(raised.value.failure)


def test_a_call_without_a_valid_token_is_unauthenticated(sandbox: Sandbox, ads: Ads) -> None:
    ads(CUSTOMER)
    with open(sandbox.env["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"], "rb") as file:
        channel = grpc.secure_channel(sandbox.env["GOOGLE_ADS_ENDPOINT"], grpc.ssl_channel_credentials(file.read()))
    method = channel.unary_unary("/google.ads.googleads.v26.services.CustomerService/ListAccessibleCustomers")
    with channel:
        for header in ((), (("authorization", "Bearer nonsense"),), (("authorization", "Basic x"),)):
            with pytest.raises(grpc.RpcError) as raised:
                method(b"", metadata=header, timeout=HANG_SECONDS)
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
            keys = {key for key, _ in raised.value.trailing_metadata()}
            failure = "google.ads.googleads.v26.errors.googleadsfailure-bin"
            assert keys >= {failure, "grpc-status-details-bin", "request-id"}


def test_unknown_methods_and_versions_are_unimplemented(sandbox: Sandbox) -> None:
    with open(sandbox.env["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"], "rb") as file:
        channel = grpc.secure_channel(sandbox.env["GOOGLE_ADS_ENDPOINT"], grpc.ssl_channel_credentials(file.read()))
    with channel:
        for path in ("v12.services.GoogleAdsService/Search", "v26.services.GoogleAdsService/Mutate"):
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(f"/google.ads.googleads.{path}")(b"", timeout=HANG_SECONDS)
            assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_quota_error_names_its_delay_in_the_trailing_metadata(sandbox: Sandbox, ads: Ads) -> None:
    from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure

    sandbox.faults.add("google_ads", "quota", account_id=NORDLICHT, times=1, delay_s=5400)
    with pytest.raises(ResourceExhausted) as raised:
        ads(CUSTOMER)
    call = raised.value.errors[0]
    trailing = dict(call.trailing_metadata())
    failure = GoogleAdsFailure.deserialize(trailing["google.ads.googleads.v26.errors.googleadsfailure-bin"])
    details = failure.errors[0].details.quota_error_details
    assert details.retry_delay.total_seconds() == 5400
    assert failure.errors[0].error_code.quota_error.name == "RESOURCE_EXHAUSTED"
    assert ads(CUSTOMER)


@pytest.mark.parametrize(
    ("kind", "category", "code"),
    [
        ("expired_token", "authentication_error", "OAUTH_TOKEN_EXPIRED"),
        ("bad_developer_token", "authentication_error", "DEVELOPER_TOKEN_INVALID"),
        ("disabled_account", "authorization_error", "CUSTOMER_NOT_ENABLED"),
        ("sunset_version", "request_error", "UNSUPPORTED_VERSION"),
    ],
)
def test_faults_with_a_google_ads_failure(sandbox: Sandbox, ads: Ads, kind: str, category: str, code: str) -> None:
    sandbox.faults.add("google_ads", kind, account_id="412-308-7751")
    assert _refusal(ads, CUSTOMER)[:2] == (category, code)
    assert ads(CUSTOMER, EAST)
    sandbox.faults.clear()
    assert ads(CUSTOMER)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("internal", InternalServerError),
        ("unavailable", ServiceUnavailable),
        ("rate_limited_short", ResourceExhausted),
    ],
)
def test_faults_that_pass_after_some_requests(sandbox: Sandbox, ads: Ads, kind: str, expected: type[Exception]) -> None:
    sandbox.faults.add("google_ads", kind, times=2)
    for _ in range(2):
        with pytest.raises(expected):
            ads(CUSTOMER)
    assert ads(CUSTOMER)


def test_a_stream_can_break_after_good_rows(
    sandbox: Sandbox, google_client: Callable[..., GoogleAdsClient], ads: Ads
) -> None:
    sandbox.faults.add("google_ads", "broken_stream", times=1, after_rows=150)
    service = google_client().get_service("GoogleAdsService")
    rows: list[object] = []
    with pytest.raises(GoogleAPICallError):
        for batch in service.search_stream(customer_id=NORDLICHT, query=DAILY):
            rows.extend(batch.results)
    assert len(rows) == 150
    assert len(ads(DAILY)) > 150


def test_an_answer_can_be_slow(sandbox: Sandbox, ads: Ads) -> None:
    sandbox.faults.add("google_ads", "slow", times=1, delay_s=0.4)
    started = time.perf_counter()
    assert ads(CUSTOMER)
    assert time.perf_counter() - started > 0.4


def test_rows_can_be_malformed_or_sent_twice(sandbox: Sandbox, ads: Ads) -> None:
    good = ads(DAILY)
    sandbox.faults.add("google_ads", "duplicate_rows", times=1, rows=3)
    assert ads(DAILY) == good + good[:3]
    sandbox.faults.add("google_ads", "malformed", times=1, field="date", row=1)
    assert ads(DAILY)[1].segments.date == "20-13-0045"
    sandbox.faults.add("google_ads", "malformed", times=1, field="conversions")
    assert math.isnan(ads(DAILY)[0].metrics.conversions)
    sandbox.faults.add("google_ads", "malformed", times=1, field="campaign_id")
    assert ads(DAILY)[0].campaign.id == 0
    assert ads(DAILY) == good
