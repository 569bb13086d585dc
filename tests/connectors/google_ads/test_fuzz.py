"""Any stream from a Google Ads server gives the rows that were sent, or one of the connector's errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import PlatformAccount, Report
from mdp_dagster.connectors.errors import ConnectorError, QuotaError
from mdp_dagster.connectors.google_ads import REPORTS, GoogleAdsConnector
from mdp_dagster.connectors.history import earliest_today
from mdp_dagster.ingest.row_validation import validate
from mdp_dagster.window import DateWindow
from tests.connectors.conftest import causes
from tests.connectors.google_ads.messages import (
    FAILURE_KEY,
    answer,
    as_read,
    bits,
    ends,
    int64,
    quota,
    raw,
    sent_rows,
    texts,
)
from tests.connectors.google_ads.scripted_server import ACCESS_TOKEN, DEVELOPER_TOKEN, End, Script, ScriptedAds, grpc
from tests.support.effort import fuzzed
from tests.support.table import table_of

ACCOUNT = PlatformAccount("google_ads", "1234567890", "1234567890")
WINDOW = DateWindow(earliest_today().replace(day=1), earliest_today().replace(day=3))


@pytest.fixture(scope="module")
def connector(ads: ScriptedAds) -> GoogleAdsConnector:
    return ads.connector()


def is_fit_to_show(error: ConnectorError) -> None:
    told = "".join(f"{one!s}{one!r}" for one in causes(error))
    assert DEVELOPER_TOKEN not in told and ACCESS_TOKEN not in told
    assert str(error).encode("utf-8")
    assert all(isinstance(one, ConnectorError) for one in causes(error))
    if isinstance(error, QuotaError):
        assert 0 < error.retry_after_seconds <= 86_400


def extracted(connector: GoogleAdsConnector, report: Report) -> list[tuple[object, ...]]:
    """The rows after ingest's validation."""
    table = table_of(report, list(connector.extract(report, ACCOUNT, WINDOW)))
    good, rejects = validate(report, table, WINDOW)
    assert good.num_rows + len(rejects) == table.num_rows
    assert all(reject.reason for reject in rejects)
    return [tuple(map(bits, row.values())) for row in table.to_pylist()]


@pytest.mark.slow
@fuzzed(120)
@given(report=st.sampled_from(REPORTS), drawn=st.data())
def test_rows_of_any_values_arrive_as_they_were_sent(
    connector: GoogleAdsConnector, ads_script: Script, report: Report, drawn: st.DataObject
) -> None:
    messages = drawn.draw(st.lists(sent_rows(report), max_size=3))
    ads_script.begin([answer(rows) for rows in messages])
    assert extracted(connector, report) == [as_read(report, row) for rows in messages for row in rows]


@pytest.mark.slow
@fuzzed(80)
@given(messages=st.lists(raw | sent_rows(REPORTS[0]).map(answer), min_size=1, max_size=3))
@example([b"\xff"])
@example([b"\x0a\x03abc"])
@example([b"\x0a\x05\x0a\x03\xff\xfe\xfd"])
def test_any_bytes_are_an_error_or_the_rows_that_protobuf_parses(
    connector: GoogleAdsConnector, ads_script: Script, messages: list[bytes]
) -> None:
    ads_script.begin(messages)
    try:
        extracted(connector, REPORTS[0])
    except ConnectorError as error:
        is_fit_to_show(error)
    assert 1 <= len(ads_script.asked) <= 2


@pytest.mark.slow
@fuzzed(200)
@given(before=st.lists(sent_rows(REPORTS[1]).map(answer), max_size=2), end=ends)
@example([], End(grpc.StatusCode.INVALID_ARGUMENT, "x", ((FAILURE_KEY, b"\xff\xff"), ("request-id", "abcdef"))))
@example([], End(grpc.StatusCode.INVALID_ARGUMENT, "x", (("grpc-status-details-bin", b"\xff"), ("request-id", "abc"))))
@example([], End(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", ((FAILURE_KEY, quota(2**62)),)))
@example([], End(grpc.StatusCode.INVALID_ARGUMENT, "x", ((FAILURE_KEY, quota(-5)),)))
def test_any_end_of_a_stream_is_an_error_with_the_request_id(
    connector: GoogleAdsConnector, ads_script: Script, before: list[bytes], end: End
) -> None:
    ads_script.begin(before, end)
    with pytest.raises(ConnectorError) as caught:
        extracted(connector, REPORTS[1])
    is_fit_to_show(caught.value)
    assert ACCOUNT.account_id in caught.value.message
    request_id = dict(end.trailing).get("request-id")
    assert request_id is None or f"request id {request_id!s}" in caught.value.message
    assert 1 <= len(ads_script.asked) <= 2


@pytest.mark.parametrize("message", [b"\xff", b"\x0a\x03abc", b"\x0a\x05\x0a\x03\xff\xfe\xfd", b"\x00"])
def test_an_unreadable_list_of_accounts_is_a_failure(ads: ScriptedAds, ads_script: Script, message: bytes) -> None:
    ads_script.begin([message])
    accounts, (failure,) = ads.connector().accounts([ACCOUNT.account_id])
    assert accounts == [] and "can't be read" in str(failure.error)
    is_fit_to_show(failure.error)


clients = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": int64 | st.just(int(ACCOUNT.account_id)),
            "client_customer": texts | st.sampled_from(["customers/5", "customers/", "/", "customers/x\x00"]),
            "resource_name": texts,
            "manager": st.booleans(),
            "status": st.integers(-1, 7),
            "descriptive_name": texts,
            "currency_code": texts,
            "time_zone": texts,
        },
    ),
    max_size=4,
)


def listing(rows: list[dict[str, object]]) -> bytes:
    from tests.connectors.google_ads.messages import Response

    response = Response()
    for row in rows:
        message = response.results.add()
        for name, value in row.items():
            setattr(message.customer_client, name, value)
            if name in ("id", "manager", "descriptive_name"):
                setattr(message.customer, name, value)
    return bytes(response.SerializeToString())


@pytest.mark.slow
@fuzzed(120)
@given(rows=clients)
def test_any_manager_has_accounts_or_a_failure(
    ads: ScriptedAds, ads_script: Script, rows: list[dict[str, object]]
) -> None:
    connector = ads.connector()
    connector._clients._streams = SHARED  # one channel for all examples: opening one takes long
    ads_script.begin([listing(rows)])
    accounts, failures = connector.accounts([ACCOUNT.account_id])
    assert bool(accounts) != bool(failures)
    assert len({account.account_id for account in accounts}) == len(accounts)
    for account in accounts:
        assert account.account_id.isascii() and account.account_id.isdigit(), "an id that fits into a request"
    for failure in failures:
        is_fit_to_show(failure.error)


SHARED: dict[str, Any] = {}


@fuzzed(60)
@given(listed=st.lists(st.text(max_size=12) | st.sampled_from(["1' OR 1", "7", "\ud800", "1\n2", "½"]), max_size=3))
def test_any_customer_id_is_requested_or_refused(
    connector: GoogleAdsConnector, ads_script: Script, listed: list[str]
) -> None:
    ads_script.begin([], End(grpc.StatusCode.NOT_FOUND, "nobody"))
    connector._expanded.clear()
    accounts, failures = connector.accounts(listed)
    assert accounts == [] and {failure.account_id for failure in failures} == set(listed)
    for failure in failures:
        is_fit_to_show(failure.error)
        assert failure.account_id.isdigit() or "is not a valid account id" in str(failure.error)
