"""The connector of Example Ads against its sandbox: rows, faults, and no secret in any message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, QuotaError, TransientError
from mdp_dagster.connectors.example_ads import ExampleAdsConnector
from mdp_dagster.connectors.example_ads.settings import ExampleAdsSettings
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.window import DateWindow
from sandbox import Sandbox, World
from sandbox.example_ads.platform import PLATFORM
from tests.support.clock import NOW

LAST_MONTH = DateWindow(NOW.date() - timedelta(days=31), NOW.date())
FAST = RetryPolicy(first_wait_seconds=0.005, longest_wait_seconds=0.02, longest_quota_wait_seconds=1.0)
ACCOUNT = PLATFORM.accounts[0].id


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    with Sandbox(World(seed=11, now=NOW), folder, options={"example_ads": {"page_rows": 20}}) as running:
        yield running


@pytest.fixture
def connector(sandbox: Sandbox) -> ExampleAdsConnector:
    sandbox.faults.clear()
    return ExampleAdsConnector(_settings(sandbox), retry=FAST, timeout_seconds=20)


def _settings(sandbox: Sandbox, **changes: Any) -> ExampleAdsSettings:
    env = sandbox.env
    given = {"access_token": env["EXAMPLE_ADS_ACCESS_TOKEN"], "api_url": env["EXAMPLE_ADS_API_URL"]}
    return ExampleAdsSettings(_env_file=None, **(given | changes))  # type: ignore[call-arg]


def _account(connector: ExampleAdsConnector) -> PlatformAccount:
    accounts, failures = connector.accounts([ACCOUNT])
    assert not failures
    return accounts[0]


def _rows(connector: ExampleAdsConnector, report: str) -> list[dict[str, Any]]:
    declared = connector.report(report)
    batches = list(connector.extract(declared, _account(connector), LAST_MONTH))
    assert all(batch.schema == declared.schema for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def test_campaign_rows_are_those_of_the_world(connector: ExampleAdsConnector, sandbox: Sandbox) -> None:
    truth = sandbox.world.truth("example_ads", LAST_MONTH.start, LAST_MONTH.end, account_ids=[ACCOUNT])
    expected = {(row["campaign_id"], str(row["date"])): (row["clicks"], row["spend"]) for row in truth}
    rows = _rows(connector, "campaign_daily")
    assert {(row["campaign_id"], row["day"]): (int(row["clicks"]), Decimal(row["spend"])) for row in rows} == expected
    assert len(rows) == len(expected) > 20, "more than one page"


def test_campaigns_add_up_to_the_account_totals(connector: ExampleAdsConnector) -> None:
    sums: Counter[str] = Counter()
    for row in _rows(connector, "campaign_daily"):
        sums[row["day"]] += int(row["impressions"])
    assert {row["day"]: int(row["impressions"]) for row in _rows(connector, "account_daily")} == sums


def test_an_account_has_its_name_currency_and_time_zone(connector: ExampleAdsConnector) -> None:
    account, declared = _account(connector), PLATFORM.accounts[0]
    assert (account.name, account.currency, account.time_zone) == (declared.name, "EUR", declared.time_zone)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("quota", QuotaError),
        ("internal", TransientError),
        ("expired_token", PlatformError),
        ("disabled_account", AccountError),
    ],
)
def test_a_fault_that_stays_becomes_the_right_error_without_a_secret(
    connector: ExampleAdsConnector, sandbox: Sandbox, kind: str, error: type[ConnectorError]
) -> None:
    account = _account(connector)
    sandbox.faults.add("example_ads", kind)
    with pytest.raises(error) as caught:
        list(connector.extract(connector.report("campaign_daily"), account, LAST_MONTH))
    assert ACCOUNT in str(caught.value)
    assert sandbox.env["EXAMPLE_ADS_ACCESS_TOKEN"] not in str(caught.value)


def test_every_fault_of_the_sandbox_is_tested() -> None:
    assert set(PLATFORM.faults) == {"quota", "internal", "expired_token", "disabled_account"}


@pytest.mark.parametrize(("kind", "params"), [("quota", {"delay_s": 0.01}), ("internal", {})])
def test_a_fault_that_passes_costs_no_row(
    connector: ExampleAdsConnector, sandbox: Sandbox, kind: str, params: dict[str, Any]
) -> None:
    before = _rows(connector, "campaign_daily")
    sandbox.faults.add("example_ads", kind, method="report", times=2, **params)
    assert _rows(connector, "campaign_daily") == before


def test_an_unknown_account_is_a_failure_of_its_own(connector: ExampleAdsConnector) -> None:
    accounts, failures = connector.accounts([ACCOUNT, "999"])
    assert [account.account_id for account in accounts] == [ACCOUNT]
    assert [failure.account_id for failure in failures] == ["999"]
    assert isinstance(failures[0].error, AccountError)


def test_missing_credentials_name_their_variable(sandbox: Sandbox) -> None:
    connector = ExampleAdsConnector(_settings(sandbox, access_token=None), retry=FAST)
    with pytest.raises(PlatformError, match="set EXAMPLE_ADS_ACCESS_TOKEN"):
        connector.accounts([ACCOUNT])


def test_an_id_that_leads_elsewhere_is_refused(connector: ExampleAdsConnector) -> None:
    _, failures = connector.accounts(["../../token"])
    assert "is not a valid account id" in str(failures[0].error)
