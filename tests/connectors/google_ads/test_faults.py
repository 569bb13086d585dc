"""Each fault of Google Ads gives the right rows, or the right error with a remedy and without a secret."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, QuotaError, TransientError
from mdp_dagster.connectors.google_ads import GoogleAdsConnector
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.connectors.retry import RetryPolicy
from sandbox import Sandbox
from sandbox.google_ads.faults import FAULTS
from tests.connectors.conftest import FAST, GOOGLE_DIRECT, LAST_MONTH, account_of, causes, rows_of
from tests.connectors.google_ads.test_connector import as_truth, truth
from tests.support.limits import HANG_SECONDS

Settings = Callable[..., GoogleAdsSettings]
ACCOUNT = GOOGLE_DIRECT[0]

# The kind of fault, its parameters, and the outcome while it lasts.
OUTCOMES: list[tuple[str, dict[str, Any], type[ConnectorError]]] = [
    ("quota", {}, QuotaError),
    ("rate_limited_short", {"delay_s": 0.01}, QuotaError),
    ("internal", {}, TransientError),
    ("unavailable", {}, TransientError),
    ("broken_stream", {"after_rows": 150}, TransientError),
    ("broken_stream", {"after_rows": 0}, TransientError),
    ("expired_token", {}, PlatformError),
    ("disabled_account", {}, AccountError),
    ("bad_developer_token", {}, PlatformError),
    ("sunset_version", {}, PlatformError),
]
PASSING = [
    ("rate_limited_short", {"delay_s": 0.01}),
    ("internal", {}),
    ("unavailable", {}),
    ("broken_stream", {"after_rows": 150}),
]


def secrets(sandbox: Sandbox) -> list[str]:
    key = json.loads(Path(sandbox.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"]).read_text())
    return [sandbox.env["GOOGLE_ADS_DEVELOPER_TOKEN"], key["private_key"].splitlines()[1]]


@pytest.mark.parametrize(("kind", "params", "kind_of_error"), OUTCOMES)
def test_a_lasting_fault_is_the_right_error(
    google: GoogleAdsConnector,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    params: dict[str, Any],
    kind_of_error: type[ConnectorError],
) -> None:
    account = account_of(google)
    sandbox.faults.add("google_ads", kind, account_id=ACCOUNT, **params)
    with caplog.at_level("DEBUG"), pytest.raises(ConnectorError) as caught:
        rows_of(google, "campaign_daily", account)
    assert type(caught.value) is kind_of_error
    assert f"Google Ads account {ACCOUNT}: " in caught.value.message
    if not isinstance(caught.value, TransientError):
        assert caught.value.remedy
    seen = " ".join([caplog.text, *(f"{error!s} {error!r}" for error in causes(caught.value))])
    assert not any(secret in seen for secret in secrets(sandbox))


@pytest.mark.parametrize(("kind", "params"), PASSING)
@pytest.mark.parametrize("times", [1, 4])
def test_a_passing_fault_neither_loses_nor_doubles_a_row(
    google: GoogleAdsConnector, sandbox: Sandbox, kind: str, params: dict[str, Any], times: int
) -> None:
    account = account_of(google)
    sandbox.faults.add("google_ads", kind, times=times, **params)
    rows = rows_of(google, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, LAST_MONTH)


def test_every_kind_of_fault_is_covered() -> None:
    covered = {kind for kind, _, _ in OUTCOMES} | {"slow", "malformed", "duplicate_rows"}
    assert covered == set(FAULTS)


def test_a_request_with_a_long_quota_delay_is_not_repeated_and_the_error_has_the_delay(
    google: GoogleAdsConnector, sandbox: Sandbox
) -> None:
    account = account_of(google)
    fault = sandbox.faults.add("google_ads", "quota", delay_s=7200)
    with pytest.raises(QuotaError, match="quota_error.RESOURCE_EXHAUSTED") as caught:
        rows_of(google, "campaign_daily", account)
    assert caught.value.retry_after_seconds == 7200
    assert fault.hits == 1


def test_the_number_of_attempts_is_limited(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(google)
    fault = sandbox.faults.add("google_ads", "broken_stream", after_rows=120)
    with pytest.raises(TransientError):
        rows_of(google, "campaign_daily", account)
    assert fault.hits == FAST.attempts


@pytest.mark.parametrize("kind", ["expired_token", "disabled_account", "bad_developer_token", "sunset_version"])
def test_a_request_that_cannot_succeed_is_sent_once(google: GoogleAdsConnector, sandbox: Sandbox, kind: str) -> None:
    account = account_of(google)
    fault = sandbox.faults.add("google_ads", kind)
    with pytest.raises(ConnectorError):
        rows_of(google, "campaign_daily", account)
    assert fault.hits == 1


def test_each_remedy_names_the_action(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(google)
    for kind, words in {
        "sunset_version": "Google Ads API v26 is no longer served.*upgrade the google-ads package",
        "bad_developer_token": "GOOGLE_ADS_DEVELOPER_TOKEN",
        "disabled_account": "CUSTOMER_NOT_ENABLED.*config/clients.yaml",
        "expired_token": "OAUTH_TOKEN_EXPIRED.*GOOGLE_ADS_JSON_KEY_FILE_PATH",
    }.items():
        sandbox.faults.add("google_ads", kind, times=1)
        with pytest.raises(ConnectorError, match=words):
            rows_of(google, "campaign_daily", account)


@pytest.mark.parametrize(
    ("field", "column", "value"), [("date", "segments_date", "20-13-0045"), ("campaign_id", "campaign_id", None)]
)
def test_a_malformed_row_is_passed_on(
    google: GoogleAdsConnector, sandbox: Sandbox, field: str, column: str, value: Any
) -> None:
    account = account_of(google)
    good = rows_of(google, "campaign_daily", account)
    sandbox.faults.add("google_ads", "malformed", field=field, row=3)
    rows = rows_of(google, "campaign_daily", account)
    assert rows[3][column] == value
    assert rows[:3] + rows[4:] == good[:3] + good[4:]


def test_an_invalid_number_is_passed_on(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(google)
    sandbox.faults.add("google_ads", "malformed", field="conversions")
    value = rows_of(google, "campaign_daily", account)[0]["metrics_conversions"]
    assert value != value


def test_rows_that_the_platform_sends_twice_are_passed_on_twice(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(google)
    good = rows_of(google, "campaign_daily", account)
    sandbox.faults.add("google_ads", "duplicate_rows", rows=2)
    assert rows_of(google, "campaign_daily", account) == good + good[:2]


def test_a_slow_answer_ends_with_the_timeout(
    google: GoogleAdsConnector, google_settings: Settings, sandbox: Sandbox
) -> None:
    impatient = GoogleAdsConnector(google_settings(), retry=RetryPolicy(1), timeout_seconds=0.3)
    account = account_of(google)
    sandbox.faults.add("google_ads", "slow", delay_s=HANG_SECONDS)
    with pytest.raises(TransientError, match="DEADLINE_EXCEEDED"):
        rows_of(impatient, "campaign_daily", account)


def test_the_fault_of_one_account_does_not_affect_the_others(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    sandbox.faults.add("google_ads", "disabled_account", account_id=ACCOUNT)
    accounts, (failure,) = google.accounts(GOOGLE_DIRECT)
    assert [a.account_id for a in accounts] == list(GOOGLE_DIRECT[1:])
    assert (failure.account_id, type(failure.error)) == (ACCOUNT, AccountError)


def test_a_fault_that_affects_all_accounts_raises(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    sandbox.faults.add("google_ads", "bad_developer_token")
    with pytest.raises(PlatformError, match="DEVELOPER_TOKEN_INVALID"):
        google.accounts(GOOGLE_DIRECT)


def test_an_error_that_not_all_accounts_meet_affects_single_accounts(
    google: GoogleAdsConnector, sandbox: Sandbox
) -> None:
    sandbox.faults.add("google_ads", "bad_developer_token", account_id=ACCOUNT)
    accounts, (failure,) = google.accounts(GOOGLE_DIRECT)
    assert len(accounts) == len(GOOGLE_DIRECT) - 1
    assert failure.account_id == ACCOUNT


def test_a_failed_lookup_of_accounts_is_repeated_the_next_time(google: GoogleAdsConnector, sandbox: Sandbox) -> None:
    sandbox.faults.add("google_ads", "disabled_account", times=2)
    assert google.accounts([ACCOUNT])[1]
    assert not google.accounts([ACCOUNT])[1]


def test_an_unreachable_server_is_a_transient_error(google_settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        google = GoogleAdsConnector(
            google_settings(endpoint=f"localhost:{free.getsockname()[1]}"), retry=RetryPolicy(2, 0.01)
        )
        _, (failure,) = google.accounts([ACCOUNT])
    assert type(failure.error) is TransientError
    assert "UNAVAILABLE" in failure.error.message


def test_the_error_for_an_untrusted_certificate_names_the_variable(google_settings: Settings, tmp_path: Path) -> None:
    from sandbox import World

    with Sandbox(World(), tmp_path) as stranger:
        google = GoogleAdsConnector(google_settings(endpoint=stranger.env["GOOGLE_ADS_ENDPOINT"]), retry=FAST)
        with pytest.raises(PlatformError, match="GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
            google.accounts([ACCOUNT])


def test_the_sdks_own_logger_is_quiet(
    google: GoogleAdsConnector, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    account = account_of(google)
    sandbox.faults.add("google_ads", "internal", times=2)
    with caplog.at_level("INFO"):
        rows_of(google, "campaign_daily", account)
    assert {record.name.split(".")[0] for record in caplog.records} <= {"mdp_dagster"}
    assert "try 1 failed" in caplog.text
