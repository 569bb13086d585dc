"""Each of Meta's faults gives the right rows, or the right error with a remedy and without a secret."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, QuotaError, TransientError
from mdp_dagster.connectors.meta_ads import MetaAdsConnector, client
from mdp_dagster.connectors.meta_ads.errors import TooMuchDataError
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.window import DateWindow
from sandbox import Sandbox
from sandbox.meta_ads.faults import FAULTS
from tests.connectors.conftest import FAST, LAST_MONTH, META, account_of, causes, rows_of
from tests.connectors.meta_ads.test_connector import as_truth, truth
from tests.support.limits import HANG_SECONDS

Settings = Callable[..., MetaAdsSettings]
ACCOUNT = META[0]

# The kind of fault, its parameters, and the outcome while it lasts.
OUTCOMES: list[tuple[str, dict[str, Any], type[ConnectorError]]] = [
    *(("throttle", {"code": code}, QuotaError) for code in (4, 17, 32, 613, 80000, 80003)),
    ("throttle", {"regain_minutes": 0}, TransientError),
    ("transient", {"code": 1}, TransientError),
    ("transient", {"code": 2}, TransientError),
    ("expired_token", {}, PlatformError),
    ("disabled_account", {}, AccountError),
    ("sunset_version", {}, PlatformError),
    ("html_502", {}, TransientError),
    ("html_502", {"status": 200}, TransientError),
    ("html_502", {"status": 503}, TransientError),
    ("empty_page_with_next", {}, TransientError),
    ("reduce_data", {}, TooMuchDataError),
    ("connection_reset", {}, TransientError),
]
PASSING = [
    ("throttle", {"regain_minutes": 0}),
    ("transient", {"code": 1}),
    ("transient", {"code": 2}),
    ("html_502", {}),
    ("html_502", {"status": 200}),
    ("empty_page_with_next", {}),
    ("connection_reset", {}),
    ("reduce_data", {}),
]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdp_dagster.connectors.meta_ads.insights.PAGE_ROWS", 40)


@pytest.mark.parametrize(("kind", "params", "kind_of_error"), OUTCOMES)
def test_a_lasting_fault_is_the_right_error(
    meta: MetaAdsConnector,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    params: dict[str, Any],
    kind_of_error: type[ConnectorError],
) -> None:
    account = account_of(meta)
    sandbox.faults.add("meta_ads", kind, account_id=ACCOUNT, method="insights", **params)
    with caplog.at_level("DEBUG"), pytest.raises(ConnectorError) as caught:
        rows_of(meta, "campaign_daily", account)
    assert type(caught.value) is kind_of_error
    assert caught.value.message.startswith(f"Meta ad account act_{ACCOUNT}: ")
    if not isinstance(caught.value, TransientError):
        assert caught.value.remedy
    chain = list(causes(caught.value))
    assert all(isinstance(error, ConnectorError) for error in chain)
    seen = " ".join([caplog.text, *(f"{error!s} {error!r}" for error in chain)])
    assert sandbox.env["META_ACCESS_TOKEN"] not in seen


@pytest.mark.parametrize(("kind", "params"), PASSING)
@pytest.mark.parametrize("method", ["account", "campaigns", "insights"])
@pytest.mark.parametrize(("times", "after"), [(1, 0), (4, 1)])
def test_a_passing_fault_neither_loses_nor_doubles_a_row(
    meta: MetaAdsConnector, sandbox: Sandbox, kind: str, params: dict[str, Any], method: str, times: int, after: int
) -> None:
    sandbox.faults.add("meta_ads", kind, method=method, times=times, after=after, **params)
    account = account_of(meta)
    rows = rows_of(meta, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, LAST_MONTH)
    assert all(row["campaign_status"] for row in rows)


def test_every_kind_of_fault_is_covered() -> None:
    here = {kind for kind, _, _ in OUTCOMES} | {"slow", "malformed", "duplicate_rows", "usage_high"}
    assert here | {"async_failed", "async_stuck"} == set(FAULTS)


def test_a_throttled_request_is_not_repeated_and_the_error_has_the_delay(
    meta: MetaAdsConnector, sandbox: Sandbox
) -> None:
    account = account_of(meta)
    fault = sandbox.faults.add("meta_ads", "throttle", regain_minutes=7)
    with pytest.raises(QuotaError) as caught:
        rows_of(meta, "account_daily", account)
    assert caught.value.retry_after_seconds == 7 * 60
    assert fault.hits == 1


@pytest.mark.parametrize("kind", ["expired_token", "disabled_account", "sunset_version"])
def test_a_request_that_cannot_succeed_is_sent_once(meta: MetaAdsConnector, sandbox: Sandbox, kind: str) -> None:
    account = account_of(meta)
    fault = sandbox.faults.add("meta_ads", kind, method="insights")
    with pytest.raises(ConnectorError):
        rows_of(meta, "account_daily", account)
    assert fault.hits == 1


def test_only_the_failed_page_is_requested_again(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(meta)
    pages = -(-len(rows_of(meta, "campaign_daily", account)) // 40)
    sandbox.requests.clear()
    sandbox.faults.add("meta_ads", "html_502", method="insights", times=2, after=2)
    rows_of(meta, "campaign_daily", account)
    assert sandbox.requests.count("meta_ads", "insights") == pages + 2


@pytest.mark.parametrize("days", [1, 2, 5, 17])
def test_the_window_is_split_down_to_one_day_to_request_less_data(
    meta: MetaAdsConnector, sandbox: Sandbox, days: int
) -> None:
    account = account_of(meta)
    sandbox.faults.add("meta_ads", "reduce_data", method="insights", max_days=days)
    rows = rows_of(meta, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, LAST_MONTH)


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [
        ("spend", "spend", "abc"),
        ("impressions", "impressions", "many"),
        ("date_start", "date_start", "20-13-0045"),
        ("actions", "actions", '"none"'),
        ("campaign_id", "campaign_id", None),
    ],
)
def test_a_malformed_row_is_passed_on(
    meta: MetaAdsConnector, sandbox: Sandbox, field: str, column: str, value: Any
) -> None:
    account = account_of(meta)
    good = rows_of(meta, "campaign_daily", account)
    sandbox.faults.add("meta_ads", "malformed", field=field, row=3, times=1)
    rows = rows_of(meta, "campaign_daily", account)
    assert rows[3][column] == value
    assert rows[:3] + rows[4:] == good[:3] + good[4:]


def test_rows_that_the_platform_sends_twice_are_passed_on_twice(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(meta)
    good = rows_of(meta, "account_daily", account)
    sandbox.faults.add("meta_ads", "duplicate_rows", rows=2, method="insights")
    assert rows_of(meta, "account_daily", account) == good + good[:2]


def test_a_slow_answer_ends_with_the_timeout(meta: MetaAdsConnector, meta_settings: Settings, sandbox: Sandbox) -> None:
    impatient = MetaAdsConnector(meta_settings(), retry=RetryPolicy(1), timeout_seconds=0.3)
    account = account_of(meta)
    sandbox.faults.add("meta_ads", "slow", delay_s=HANG_SECONDS)
    with pytest.raises(TransientError, match="ReadTimeout"):
        rows_of(impatient, "account_daily", account, DateWindow.of_days(LAST_MONTH.start, LAST_MONTH.start))


def test_near_its_limit_the_connector_pauses_before_the_next_page(
    meta_settings: Settings, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr("mdp_dagster.connectors.meta_ads.insights.PAGE_ROWS", 7)  # more than four pages on any day
    meta = MetaAdsConnector(meta_settings(), retry=FAST, pause_seconds=0.4)
    account = account_of(meta)
    sandbox.faults.add("meta_ads", "usage_high", percent=97, method="insights")
    with caplog.at_level(logging.INFO):
        rows = rows_of(meta, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, LAST_MONTH)
    # three pauses, until more than a second (FAST's longest quota wait) has been waited in all
    assert pauses == [0.4, 0.4, 0.4]
    assert caplog.text.count("97 % of a rate limit is used up") == 3


def test_below_its_limit_the_connector_does_not_pause(meta_settings: Settings, sandbox: Sandbox) -> None:
    meta = MetaAdsConnector(meta_settings(), retry=FAST, pause_seconds=30)
    sandbox.faults.add("meta_ads", "usage_high", percent=95)
    assert rows_of(meta, "campaign_daily", account_of(meta))


def test_the_rows_arrive_although_the_campaigns_are_refused(
    meta: MetaAdsConnector, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    account = account_of(meta)
    sandbox.faults.add("meta_ads", "disabled_account", method="campaigns")
    rows = rows_of(meta, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, LAST_MONTH)
    assert {row["campaign_status"] for row in rows} == {None}
    assert "campaigns without their status" in caplog.text


def test_the_fault_of_one_account_does_not_affect_the_others(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    sandbox.faults.add("meta_ads", "disabled_account", account_id=ACCOUNT)
    accounts, (failure,) = meta.accounts(META)
    assert [a.account_id for a in accounts] == list(META[1:])
    assert "has NOT grant ads_management or ads_read permission" in failure.error.message
    assert "ads_read" in failure.error.remedy


def test_a_fault_that_affects_all_accounts_raises(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    sandbox.faults.add("meta_ads", "expired_token")
    with pytest.raises(PlatformError, match="Session has expired.*META_ACCESS_TOKEN"):
        meta.accounts(META)


def test_an_unreachable_server_is_a_transient_error_without_the_token(meta_settings: Settings) -> None:
    settings = meta_settings(graph_url="http://127.0.0.1:1", access_token="sec/ret to+ken")
    _, (failure,) = MetaAdsConnector(settings, retry=RetryPolicy(2, 0.01)).accounts([ACCOUNT])
    assert type(failure.error) is TransientError
    chain = " ".join(f"{error!s} {error!r}" for error in causes(failure.error))
    assert "Connection refused" in chain
    assert "sec" not in chain.replace("seconds", "")
