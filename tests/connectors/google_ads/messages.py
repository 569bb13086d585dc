"""Google Ads messages with any value that protobuf can hold, and failures that the documentation does not list."""

from __future__ import annotations

import struct
from typing import Any

import grpc
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.ads.googleads.v26.services.types.google_ads_service import GoogleAdsRow, SearchGoogleAdsStreamResponse
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.rpc.status_pb2 import Status
from hypothesis import strategies as st

from mdp_dagster.connectors.base import Report
from mdp_dagster.connectors.google_ads.reports import gaql_field
from tests.connectors.google_ads.scripted_server import ACCESS_TOKEN, DEVELOPER_TOKEN, End

Row = GoogleAdsRow.pb()
Response = SearchGoogleAdsStreamResponse.pb()
Failure = GoogleAdsFailure.pb()
FAILURE_KEY = "google.ads.googleads.v26.errors.googleadsfailure-bin"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["\x00", "🥾", "\U0010ffff", " "]
)
int32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, -(2**63), 2**63 - 1])
days = st.dates().map(str) | st.sampled_from(["2026-11-20", "2026-02-30", "20261120", "0000-00-00"])


def field_of(path: str) -> FieldDescriptor:
    resource, name = path.split(".")
    return Row.DESCRIPTOR.fields_by_name[resource].message_type.fields_by_name[name]


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return int32 | st.sampled_from(sorted(field.enum_type.values_by_number))
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return texts | days
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.floats() | st.sampled_from([0.0, -0.0])
    return int64


def sent_rows(report: Report) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows by column. A column that is missing from a row is unset."""
    columns = {column.name: _values(field_of(gaql_field(column.name))) for column in report.columns}
    return st.lists(st.fixed_dictionaries({}, optional=columns), max_size=6)


def answer(rows: list[dict[str, Any]]) -> bytes:
    response = Response()
    for row in rows:
        message = response.results.add()
        for column, value in row.items():
            resource, name = gaql_field(column).split(".")
            setattr(getattr(message, resource), name, value)
    return bytes(response.SerializeToString())


def as_read(report: Report, row: dict[str, Any]) -> tuple[Any, ...]:
    """The row that the connector must return: missing keys and texts are null, and numbers equal to the last bit."""

    def value(name: str) -> Any:
        field = field_of(gaql_field(name))
        sent = row.get(name, field.default_value)
        if field.enum_type is not None:
            known = field.enum_type.values_by_number.get(sent)
            return known.name if known else f"UNKNOWN_{sent}"
        if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
            return bits(sent)
        is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
        return (sent or None) if is_text or name in report.key else sent

    return tuple(value(column.name) for column in report.columns)


def bits(value: Any) -> Any:
    """The bits of a double: NaN equals itself, and -0.0 does not equal 0.0."""
    if not isinstance(value, float):
        return value
    return "nan" if value != value else struct.pack("d", value)


_codes = list(Failure().errors.add().error_code.DESCRIPTOR.fields)
words = texts | st.sampled_from(
    [DEVELOPER_TOKEN, f"developer-token: {DEVELOPER_TOKEN}", f"Bearer {ACCESS_TOKEN}", ACCESS_TOKEN,
     "API has not been used in project 1", "CERTIFICATE_VERIFY_FAILED", "Getting metadata from plugin failed"]
)  # fmt: skip


@st.composite
def failures(draw: st.DrawFn) -> bytes:
    """A GoogleAdsFailure with any number of errors, with known and unknown codes, and with unknown fields."""
    failure = Failure(request_id=draw(texts))
    for _ in range(draw(st.integers(0, 3))):
        error = failure.errors.add(message=draw(words))
        if draw(st.booleans()):
            kind = draw(st.sampled_from(_codes))
            known = sorted(kind.enum_type.values_by_number)
            setattr(error.error_code, kind.name, draw(st.sampled_from(known) | int32))
        if draw(st.booleans()):
            delay = error.details.quota_error_details.retry_delay
            delay.seconds, delay.nanos = draw(int64), draw(int32)
        if draw(st.booleans()):
            error.trigger.string_value = draw(words)
            error.location.field_path_elements.add(field_name=draw(texts), index=draw(int32))
    tomorrow = draw(st.sampled_from([b"", b"\xfa\x7f\x03abc", b"\xf8\x7f\x01"]))
    return bytes(failure.SerializeToString()) + tomorrow


def quota(seconds: int) -> bytes:
    """A quota failure that names a delay."""
    failure = Failure()
    error = failure.errors.add(message="Too many requests.")
    error.error_code.quota_error = 2
    error.details.quota_error_details.retry_delay.seconds = seconds
    return bytes(failure.SerializeToString())


def _packed(failure: bytes, type_url: str) -> bytes:
    return bytes(Status(code=3, details=[AnyMessage(type_url=type_url, value=failure)]).SerializeToString())


raw = st.binary(max_size=20)
trailers = st.one_of(
    st.tuples(st.just(FAILURE_KEY) | st.just(FAILURE_KEY.replace("v26", "v19")), failures() | raw),
    st.tuples(
        st.just("grpc-status-details-bin"),
        st.builds(
            _packed,
            failures() | raw,
            st.sampled_from([f"type.googleapis.com/{FAILURE_KEY[:-21]}.GoogleAdsFailure", "", "x/y.GoogleAdsFailure"]),
        )
        | raw,
    ),
    st.tuples(st.just("x-other-bin"), raw),
    st.tuples(st.just("retry-after"), st.just("soon")),
)
request_ids = st.text("abcXYZ019-_", min_size=6, max_size=12)
ends = st.builds(
    lambda status, details, own, request_id: End(
        status, details, (*own, *((("request-id", request_id),) if request_id else ()))
    ),
    st.sampled_from([status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]),
    words,
    st.lists(trailers, max_size=3),
    request_ids | st.just(""),
)
