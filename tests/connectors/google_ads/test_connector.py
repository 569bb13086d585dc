"""GoogleAdsConnector against the sandbox: the real SDK, gRPC over TLS, a real token exchange."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import AccountError, HistoryError, PlatformError, TransientError
from mdp_dagster.connectors.google_ads import CAMPAIGN_DAILY, GoogleAdsConnector
from mdp_dagster.connectors.google_ads.accounts import expand
from mdp_dagster.connectors.google_ads.client import endpoint
from mdp_dagster.connectors.google_ads.errors import Refusal
from mdp_dagster.connectors.google_ads.rows import RowGatherer
from mdp_dagster.connectors.google_ads.search_stream import Answer
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.window import DateWindow
from sandbox import Sandbox
from tests.connectors.conftest import (
    CLOSED,
    EAST,
    FAST,
    GOOGLE_DIRECT,
    LAST_MONTH,
    MANAGER,
    NEW_ZEALAND,
    NOW,
    SUB_MANAGER,
    WEST,
    account_of,
    causes,
    rows_of,
)
from tests.support.limits import HANG_SECONDS

Settings = Callable[..., GoogleAdsSettings]


def as_truth(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        date.fromisoformat(row["segments_date"]), str(row["customer_id"]), row["customer_descriptive_name"],
        str(row["campaign_id"]), row["campaign_name"], row["customer_currency_code"],
        row["metrics_impressions"], row["metrics_clicks"], Decimal(row["metrics_cost_micros"]) / 1_000_000,
        round(Decimal(row["metrics_conversions"]), 2), round(Decimal(row["metrics_conversions_value"]), 2),
        round(Decimal(row["metrics_conversions_by_conversion_date"]), 2),
        round(Decimal(row["metrics_conversions_value_by_conversion_date"]), 2),
    )  # fmt: skip


def truth(sandbox: Sandbox, account_id: str, window: DateWindow) -> list[tuple[Any, ...]]:
    columns = (
        "date", "account_id", "account_name", "campaign_id", "campaign_name", "currency", "impressions",
        "clicks", "spend", "conversions", "conversion_value", "conversions_by_conversion_date",
        "conversion_value_by_conversion_date",
    )  # fmt: skip
    rows = sandbox.world.truth("google_ads", window.start, window.end, account_ids=[account_id])
    return sorted(tuple(row[c] for c in columns) for row in rows)


@pytest.fixture(scope="module")
def kept(sandbox: Sandbox) -> dict[str, Any]:
    """One connector for all examples of a property."""
    return {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    listed=st.sampled_from((*GOOGLE_DIRECT, EAST, WEST, NEW_ZEALAND)),
    back=st.integers(0, 1100),
    days=st.integers(1, 120),
)
def test_campaign_rows_equal_the_platforms_rows(
    sandbox: Sandbox, google_settings: Settings, kept: dict[str, Any], listed: str, back: int, days: int
) -> None:
    if "connector" not in kept:
        kept["connector"] = GoogleAdsConnector(google_settings(), retry=FAST)
        accounts, failures = kept["connector"].accounts([*GOOGLE_DIRECT, MANAGER])
        assert not failures
        kept["accounts"] = {account.account_id: account for account in accounts}
    start = NOW.date() - timedelta(days=back)
    window = DateWindow(start, start + timedelta(days=days))
    rows = rows_of(kept["connector"], "campaign_daily", kept["accounts"][listed], window)
    assert sorted(map(as_truth, rows)) == truth(sandbox, listed, window)


def test_account_rows_are_the_sums_of_campaign_rows(google: GoogleAdsConnector) -> None:
    account = account_of(google)
    sums: dict[str, list[float]] = {}
    for row in rows_of(google, "campaign_daily", account):
        day = sums.setdefault(row["segments_date"], [0, 0, 0])
        day[0] += row["metrics_impressions"]
        day[1] += row["metrics_clicks"]
        day[2] += row["metrics_cost_micros"]
    totals = {
        row["segments_date"]: [row["metrics_impressions"], row["metrics_clicks"], row["metrics_cost_micros"]]
        for row in rows_of(google, "account_daily", account)
    }
    assert totals == sums


def test_a_row_has_the_platforms_names_of_its_account_and_campaign(google: GoogleAdsConnector) -> None:
    year = DateWindow(NOW.date() - timedelta(days=400), NOW.date())
    rows = rows_of(google, "campaign_daily", account_of(google), year)
    statuses = {row["campaign_status"] for row in rows}
    assert {"ENABLED", "REMOVED"} <= statuses <= {"ENABLED", "PAUSED", "REMOVED"}
    assert {"SEARCH", "PERFORMANCE_MAX"} <= {row["campaign_advertising_channel_type"] for row in rows}
    assert {row["customer_time_zone"] for row in rows} == {"Europe/Berlin"}


def test_a_window_without_activity_has_no_rows(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    account, day = account_of(google), LAST_MONTH.start
    sandbox.world.empty_day("google_ads", account.account_id, day)
    assert rows_of(google, "campaign_daily", account, DateWindow(day, day + timedelta(days=1))) == []


def test_an_extract_is_one_query(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(google)
    sandbox.requests.clear()
    rows = rows_of(google, "campaign_daily", account, DateWindow(NOW.date() - timedelta(days=92), NOW.date()))
    assert len(rows) > 300  # more than one streamed message
    assert sandbox.requests.count("google_ads", "search_stream") == 1


def test_batches_are_bounded(google: GoogleAdsConnector) -> None:
    account = account_of(google)
    gathered = RowGatherer(CAMPAIGN_DAILY, batch_rows=60)
    from mdp_dagster.connectors.google_ads.reports import gaql

    for answer in google._clients.stream(
        account.account_id, gaql(CAMPAIGN_DAILY, LAST_MONTH), timeout_seconds=HANG_SECONDS
    ):
        gathered.add(answer)
    sizes = [batch.num_rows for batch in gathered.batches()]
    assert max(sizes) <= 60
    assert sum(sizes) > 120


def test_one_channel_is_kept_per_login_customer(google: GoogleAdsConnector) -> None:
    accounts, _ = google.accounts([*GOOGLE_DIRECT, MANAGER])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda account: rows_of(google, "account_daily", account), accounts * 3))
    assert set(google._clients._streams) == {"", MANAGER}


def test_parallel_extracts_give_each_account_its_own_rows(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    accounts, _ = google.accounts([*GOOGLE_DIRECT, MANAGER])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda account: rows_of(google, "campaign_daily", account), accounts * 4))
    for account, rows in zip(accounts * 4, answers, strict=True):
        assert sorted(map(as_truth, rows)) == truth(sandbox, account.account_id, LAST_MONTH)


# --- accounts


def test_an_account_that_is_not_a_manager_is_extracted_directly(google: GoogleAdsConnector) -> None:
    assert account_of(google, "4123087751") == PlatformAccount(
        "google_ads", "4123087751", "4123087751", "Nordlicht DE", "EUR", "Europe/Berlin"
    )


def test_a_manager_expands_to_its_clients_of_all_levels(
    google: GoogleAdsConnector, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        accounts, failures = google.accounts([MANAGER])
    assert not failures
    assert [a.account_id for a in accounts] == [EAST, WEST, NEW_ZEALAND]
    assert {(a.listed_as, a.manager_id) for a in accounts} == {(MANAGER, MANAGER)}
    assert f"client {CLOSED} is CANCELED, skipped" in caplog.text


def test_an_account_listed_directly_is_reached_directly(google: GoogleAdsConnector) -> None:
    for listed in ([MANAGER, EAST], [EAST, MANAGER], [EAST, MANAGER, EAST]):
        accounts, failures = google.accounts(listed)
        assert not failures
        assert sorted(a.account_id for a in accounts) == sorted([EAST, WEST, NEW_ZEALAND])
        assert {a.account_id: a.listed_as for a in accounts}[EAST] == EAST


def test_a_listed_client_that_needs_its_listed_manager_goes_through_it(google: GoogleAdsConnector) -> None:
    accounts, failures = google.accounts([WEST, MANAGER])
    assert not failures
    west = next(a for a in accounts if a.account_id == WEST)
    assert (west.listed_as, west.manager_id) == (WEST, MANAGER)
    assert rows_of(google, "account_daily", west)


def test_the_error_for_a_client_that_needs_a_manager_has_the_remedy(google: GoogleAdsConnector) -> None:
    accounts, (failure,) = google.accounts([WEST])
    assert accounts == []
    assert isinstance(failure.error, AccountError)
    assert "USER_PERMISSION_DENIED" in failure.error.message
    assert "request id" in failure.error.message
    assert "GOOGLE_ADS_LOGIN_CUSTOMER_ID" in failure.error.remedy


def test_the_login_customer_of_the_settings_is_used(google_settings: Settings, sandbox: Sandbox) -> None:
    google = GoogleAdsConnector(google_settings(login_customer_id="700-100-2000"), retry=FAST)
    assert rows_of(google, "account_daily", account_of(google, WEST))
    assert {r["login_customer_id"] for r in sandbox.requests.requests()} == {MANAGER}


def test_the_login_customer_of_the_settings_is_used_for_a_managers_clients_too(
    google_settings: Settings, sandbox: Sandbox
) -> None:
    google = GoogleAdsConnector(google_settings(login_customer_id=MANAGER), retry=FAST)
    accounts, failures = google.accounts([SUB_MANAGER])
    assert not failures
    assert [(a.account_id, a.manager_id) for a in accounts] == [(NEW_ZEALAND, SUB_MANAGER)]
    assert rows_of(google, "account_daily", accounts[0])
    assert {r["login_customer_id"] for r in sandbox.requests.requests()} == {MANAGER}


def test_one_bad_account_does_not_affect_the_others(google: GoogleAdsConnector) -> None:
    accounts, failures = google.accounts(["1111111111", GOOGLE_DIRECT[0], CLOSED])
    assert [a.account_id for a in accounts] == [GOOGLE_DIRECT[0]]
    assert [f.account_id for f in failures] == ["1111111111", CLOSED]
    assert all(isinstance(f.error, AccountError) and f.error.remedy for f in failures)


def test_accounts_are_looked_up_once(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    first = google.accounts([*GOOGLE_DIRECT, MANAGER])
    asked = sandbox.requests.count("google_ads")
    assert google.accounts([*GOOGLE_DIRECT, MANAGER]) == first
    assert sandbox.requests.count("google_ads") == asked


def test_without_listed_accounts_no_request_is_sent(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    assert google.accounts([]) == ([], [])
    assert sandbox.requests.count() == 0


# --- accounts, in answers that the sandbox does not give


def _row(**fields: Any) -> Any:
    from google.ads.googleads.v26.services.types.google_ads_service import GoogleAdsRow

    return GoogleAdsRow.pb(GoogleAdsRow(**fields))


def _answer(*rows: Any) -> Answer:
    from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsStreamResponse

    message = SearchGoogleAdsStreamResponse.pb(SearchGoogleAdsStreamResponse())
    message.results.extend(rows)
    return Answer(message.SerializeToString(), type(message))


class Answers:
    """A server that returns these rows or raises this error, depending on the resource in FROM."""

    def __init__(self, clients: Any = (), customers: Any = ()) -> None:
        self.by_resource = {"customer_client": clients, "customer": customers}

    def __call__(self, customer_id: str, query: str) -> Any:
        answer = self.by_resource[query.rpartition(" FROM ")[2]]
        if isinstance(answer, Exception):
            raise answer
        return answer


CUSTOMER = {"customer": {"id": 5, "descriptive_name": "Five", "currency_code": "EUR", "time_zone": "Europe/Rome"}}


@pytest.mark.parametrize("clients", [(), AccountError("INVALID_ARGUMENT"), [_row(campaign={"id": 3})]])
def test_an_account_that_customer_client_does_not_list_is_found(clients: Any) -> None:
    (account,) = expand("5", Answers(clients, [_row(**CUSTOMER)]))
    assert (account.account_id, account.name, account.time_zone) == ("5", "Five", "Europe/Rome")


def test_the_id_of_a_client_can_come_from_its_resource_name() -> None:
    clients = [
        _row(customer_client={"id": 5, "manager": True}),
        _row(customer_client={"client_customer": "customers/6"}),
        _row(customer_client={"resource_name": "customers/5/customerClients/7"}),
        _row(customer_client={"id": 6, "level": 2}),
    ]
    assert [a.account_id for a in expand("5", Answers(clients))] == ["6", "7"]


def test_a_suspended_client_is_extracted_and_a_closed_one_is_not() -> None:
    clients = [
        _row(customer_client={"id": 5, "manager": True}),
        *(_row(customer_client={"id": 10 + status, "status": status}) for status in range(6)),
    ]
    assert [a.account_id for a in expand("5", Answers(clients))] == ["10", "11", "12", "14"]


@pytest.mark.parametrize(
    "answers",
    [
        Answers([_row(customer_client={"id": 5, "manager": True})]),
        Answers([], [_row(customer={"id": 5, "manager": True})]),
    ],
)
def test_a_manager_without_clients_is_an_error(answers: Answers) -> None:
    with pytest.raises(AccountError, match="manager account 5 has no client account"):
        expand("5", answers)


def test_an_unknown_account_is_an_error() -> None:
    with pytest.raises(AccountError, match="has no account 5"):
        expand("5", Answers())
    with pytest.raises(AccountError, match="NOT_FOUND"):
        expand("5", Answers(AccountError("NOT_FOUND"), []))


# --- rows, in answers that the sandbox does not give


def test_missing_keys_and_texts_are_null_and_missing_metrics_are_zero() -> None:
    gathered = RowGatherer(CAMPAIGN_DAILY)
    gathered.add(
        _answer(_row(), _row(campaign={"id": 7, "status": 4}, segments={"date": "2026-01-01"}, metrics={"clicks": 3}))
    )
    empty, row = [r for batch in gathered.batches() for r in batch.to_pylist()]
    assert (empty["campaign_id"], empty["segments_date"], empty["campaign_name"]) == (None, None, None)
    assert (empty["metrics_cost_micros"], empty["metrics_conversions"]) == (0, 0.0)
    assert (row["campaign_id"], row["segments_date"], row["metrics_clicks"]) == (7, "2026-01-01", 3)


def test_an_unknown_enum_number_is_kept() -> None:
    strange = _row(campaign={"id": 1})
    strange.campaign.status = 77
    gathered = RowGatherer(CAMPAIGN_DAILY)
    gathered.add(_answer(strange))
    (row,) = gathered.batches()[0].to_pylist()
    assert row["campaign_status"] == "UNKNOWN_77"
    assert row["campaign_advertising_channel_type"] == "UNSPECIFIED"


@pytest.mark.parametrize("payload", [b"\xff", b"\x0a\x7f\x00", b"<html>"])
def test_an_unreadable_answer_is_a_transient_error(payload: bytes) -> None:
    with pytest.raises(TransientError, match="can't be read"):
        RowGatherer(CAMPAIGN_DAILY).add(Answer(payload, _answer().type))


def test_without_rows_there_is_no_batch() -> None:
    gathered = RowGatherer(CAMPAIGN_DAILY)
    gathered.add(_answer())
    assert gathered.batches() == []


# --- windows, settings


def test_a_window_before_the_history_limit_is_refused_without_a_request(
    google: GoogleAdsConnector, sandbox: Sandbox
) -> None:
    account = PlatformAccount("google_ads", "1", "1")
    with pytest.raises(HistoryError, match="37 months"):
        google.extract(CAMPAIGN_DAILY, account, DateWindow.of_days("2015-01-01", "2015-01-31"))
    assert sandbox.requests.count() == 0


@pytest.mark.parametrize(
    ("setting", "target"),
    [
        (None, None),
        ("", None),
        ("localhost:9000", "localhost:9000"),
        ("https://localhost:9000", "localhost:9000"),
        ("https://localhost:9000/", "localhost:9000"),
        ("googleads.googleapis.com", "googleads.googleapis.com"),
        (" grpc://10.0.0.1:1 ", "10.0.0.1:1"),
    ],
)
def test_an_endpoint_can_have_a_scheme_or_not(setting: str | None, target: str | None) -> None:
    assert endpoint(setting) == target


def test_an_endpoint_with_a_scheme_works(google_settings: Settings, sandbox: Sandbox) -> None:
    google = GoogleAdsConnector(google_settings(endpoint=f"https://{sandbox.env['GOOGLE_ADS_ENDPOINT']}/"), retry=FAST)
    assert account_of(google).currency == "EUR"


def test_the_same_settings_come_from_the_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.env.items():
        if name.startswith("GOOGLE_ADS_"):
            monkeypatch.setenv(name, value)
    assert rows_of(GoogleAdsConnector(), "account_daily", account_of(GoogleAdsConnector()))


def test_an_error_has_no_chained_exception_that_could_contain_a_secret(
    google: GoogleAdsConnector, sandbox: Sandbox
) -> None:
    sandbox.faults.add("google_ads", "bad_developer_token")
    with pytest.raises(PlatformError) as caught:
        google.accounts([GOOGLE_DIRECT[0]])
    assert all(isinstance(error, PlatformError) for error in causes(caught.value))


def test_a_secret_in_the_platforms_answer_is_not_in_the_error(
    google: GoogleAdsConnector, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sandbox.env["GOOGLE_ADS_DEVELOPER_TOKEN"]
    monkeypatch.setattr(
        "mdp_dagster.connectors.google_ads.refusals.refusal_of",
        lambda error, version: Refusal("UNAUTHENTICATED", f"The token {token} is not valid."),
    )
    sandbox.faults.add("google_ads", "bad_developer_token")
    with pytest.raises(PlatformError, match=r"The token \*\*\* is not valid"):
        google.accounts([GOOGLE_DIRECT[0]])
