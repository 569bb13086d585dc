"""MetaAdsConnector against the sandbox: the real SDK over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import AccountError, HistoryError, PlatformError
from mdp_dagster.connectors.meta_ads import CAMPAIGN_DAILY, MetaAdsConnector
from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.window import DateWindow
from sandbox import Sandbox
from tests.connectors.conftest import FAST, LAST_MONTH, META, NOW, account_of, causes, rows_of
from tests.support.limits import HANG_SECONDS

Settings = Callable[..., MetaAdsSettings]


def as_truth(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        date.fromisoformat(row["date_start"]), row["account_name"], row["campaign_id"], row["campaign_name"],
        row["account_currency"], int(row["impressions"]), int(row["clicks"]), Decimal(row["spend"]),
    )  # fmt: skip


def truth(sandbox: Sandbox, account_id: str, window: DateWindow) -> list[tuple[Any, ...]]:
    columns = ("date", "account_name", "campaign_id", "campaign_name", "currency", "impressions", "clicks", "spend")
    rows = sandbox.world.truth("meta_ads", window.start, window.end, account_ids=[account_id])
    return sorted(tuple(row[c] for c in columns) for row in rows)


@pytest.fixture(scope="module")
def kept(sandbox: Sandbox) -> dict[str, Any]:
    """One connector for all examples of a property."""
    return {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(listed=st.sampled_from(META), back=st.integers(0, 1100), days=st.integers(1, 120))
def test_campaign_rows_equal_the_platforms_rows(
    sandbox: Sandbox, meta_settings: Settings, kept: dict[str, Any], listed: str, back: int, days: int
) -> None:
    if "connector" not in kept:
        kept["connector"] = MetaAdsConnector(meta_settings(), retry=FAST)
        accounts, failures = kept["connector"].accounts(META)
        assert not failures
        kept["accounts"] = {account.account_id: account for account in accounts}
    start = NOW.date() - timedelta(days=back)
    window = DateWindow(start, start + timedelta(days=days))
    rows = rows_of(kept["connector"], "campaign_daily", kept["accounts"][listed], window)
    assert sorted(map(as_truth, rows)) == truth(sandbox, listed, window)
    assert all(row["date_stop"] == row["date_start"] for row in rows)


def test_account_rows_are_the_sums_of_campaign_rows(meta: MetaAdsConnector) -> None:
    account = account_of(meta)
    sums: dict[str, list[Decimal]] = {}
    for row in rows_of(meta, "campaign_daily", account):
        day = sums.setdefault(row["date_start"], [Decimal(0)] * 3)
        for index, name in enumerate(("impressions", "clicks", "spend")):
            day[index] += Decimal(row[name])
    totals = {
        row["date_start"]: [Decimal(row[name]) for name in ("impressions", "clicks", "spend")]
        for row in rows_of(meta, "account_daily", account)
    }
    assert totals == sums


def test_statuses_come_from_the_campaigns_edge_also_for_archived_and_deleted_campaigns(
    meta: MetaAdsConnector, sandbox: Sandbox
) -> None:
    account = account_of(meta)
    rows = rows_of(meta, "campaign_daily", account, DateWindow(NOW.date() - timedelta(days=400), NOW.date()))
    assert {"ACTIVE", "DELETED"} <= {row["campaign_status"] for row in rows} | {
        row["campaign_effective_status"] for row in rows
    }
    assert all(row["campaign_status"] and row["campaign_effective_status"] for row in rows)
    assert {row["timezone_name"] for row in rows} == {"Europe/Berlin"}
    assert all(row["objective"].startswith("OUTCOME_") for row in rows)


def test_campaigns_are_requested_once_per_account(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    accounts, _ = meta.accounts(META)
    sandbox.faults.add("meta_ads", "slow", method="campaigns", delay_s=0.05)
    side_by_side = [account for account in accounts for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda account: rows_of(meta, "campaign_daily", account), side_by_side))
    assert sandbox.requests.count("meta_ads", "campaigns") == len(META)
    assert sandbox.requests.count("meta_ads", "account") == len(META)


def test_account_totals_are_extracted_without_a_request_for_campaigns(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    rows_of(meta, "account_daily", account_of(meta), DateWindow(NOW.date() - timedelta(days=92), NOW.date()))
    assert sandbox.requests.count("meta_ads", "campaigns") == 0
    assert sandbox.requests.count("meta_ads", "insights") == 1


def test_actions_are_canonical_json_lists(meta: MetaAdsConnector) -> None:
    lists = [json.loads(row["actions"]) for row in rows_of(meta, "campaign_daily", account_of(meta)) if row["actions"]]
    assert lists
    for actions in lists:
        types = [action["action_type"] for action in actions]
        assert types == sorted(types)


def test_parallel_extracts_give_each_account_its_own_rows(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    accounts, _ = meta.accounts(META)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda account: rows_of(meta, "campaign_daily", account), accounts * 4))
    for account, rows in zip(accounts * 4, answers, strict=True):
        assert sorted(map(as_truth, rows)) == truth(sandbox, account.account_id, LAST_MONTH)


def test_pages_are_followed_to_the_end(
    meta: MetaAdsConnector, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdp_dagster.connectors.meta_ads.insights.PAGE_ROWS", 7)
    account = account_of(meta)
    rows = rows_of(meta, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, account.account_id, LAST_MONTH)
    assert len(rows) > 21
    assert sandbox.requests.count("meta_ads", "insights") >= len(rows) / 7


def test_a_page_is_parsed_once_and_not_by_the_sdk(meta: MetaAdsConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    from facebook_business.api import FacebookResponse

    bodies: list[str] = []
    parse = FacebookResponse.json
    monkeypatch.setattr(FacebookResponse, "json", lambda response: bodies.append(response.body()) or parse(response))
    assert rows_of(meta, "account_daily", account_of(meta))
    assert bodies and not any(bodies)


# --- accounts


def test_an_account_has_its_name_currency_and_time_zone(meta: MetaAdsConnector) -> None:
    assert account_of(meta, META[3]) == PlatformAccount(
        "meta_ads", META[3], META[3], "Harborline NZ", "USD", "Pacific/Auckland"
    )


def test_one_bad_account_does_not_affect_the_others(meta: MetaAdsConnector) -> None:
    accounts, (failure,) = meta.accounts(["99", META[0], META[0]])
    assert [a.account_id for a in accounts] == [META[0]]
    assert failure.account_id == "99"
    assert isinstance(failure.error, AccountError)
    assert "does not exist" in failure.error.message
    assert "config/clients.yaml" in failure.error.remedy


def test_without_listed_accounts_no_request_is_sent(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    assert meta.accounts([]) == ([], [])
    assert sandbox.requests.count() == 0


# --- settings


def test_the_error_for_a_missing_token_names_the_variable() -> None:
    meta = MetaAdsConnector(MetaAdsSettings(_env_file=None), retry=FAST)  # type: ignore[call-arg]
    with pytest.raises(PlatformError, match="META_ACCESS_TOKEN"):
        meta.accounts([META[0]])
    with pytest.raises(PlatformError, match="META_ACCESS_TOKEN"):
        list(meta.extract(CAMPAIGN_DAILY, PlatformAccount("meta_ads", "1", "1"), LAST_MONTH))


def test_the_error_for_a_wrong_token_names_the_variable_and_not_the_token(meta_settings: Settings) -> None:
    token = "EAAsomebodyelsestoken0123456789"
    meta = MetaAdsConnector(meta_settings(access_token=token), retry=FAST)
    with pytest.raises(PlatformError, match="META_ACCESS_TOKEN") as caught:
        meta.accounts([META[0]])
    assert not any(token in f"{error!s}{error!r}" for error in causes(caught.value))


@pytest.mark.parametrize("url", ["graph.facebook.com", "ftp://x", "http://", "nonsense", "http://another-host"])
def test_the_error_for_an_invalid_address_names_the_variable(meta_settings: Settings, url: str) -> None:
    with pytest.raises(PlatformError, match="META_GRAPH_URL"):
        MetaAdsConnector(meta_settings(graph_url=url), retry=FAST).accounts([META[0]])


def test_an_address_may_end_in_a_slash(meta_settings: Settings, sandbox: Sandbox) -> None:
    assert account_of(MetaAdsConnector(meta_settings(graph_url=f"{sandbox.url}/"), retry=FAST))


@pytest.mark.parametrize("version", ["v25.0", "25.0"])
def test_an_api_version_may_be_chosen(meta_settings: Settings, version: str) -> None:
    assert account_of(MetaAdsConnector(meta_settings(api_version=version), retry=FAST))


def test_an_invalid_version_is_an_error(meta_settings: Settings) -> None:
    with pytest.raises(PlatformError, match="META_API_VERSION"):
        MetaAdsConnector(meta_settings(api_version="latest"), retry=FAST).accounts([META[0]])


def test_the_remedy_for_a_sunset_version_is_an_upgrade(meta_settings: Settings) -> None:
    with pytest.raises(PlatformError, match="2635.*upgrade facebook-business"):
        MetaAdsConnector(meta_settings(api_version="v19.0"), retry=FAST).accounts([META[0]])


def test_an_app_secret_proves_the_token(meta_settings: Settings, sandbox: Sandbox) -> None:
    right = meta_settings(app_id=sandbox.env["META_APP_ID"], app_secret=sandbox.env["META_APP_SECRET"])
    assert account_of(MetaAdsConnector(right, retry=FAST))
    with pytest.raises(PlatformError, match="META_APP_SECRET") as caught:
        MetaAdsConnector(meta_settings(app_secret="not the secret"), retry=FAST).accounts([META[0]])
    assert "not the secret" not in str(caught.value)


def test_the_same_settings_come_from_the_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.env.items():
        if name.startswith("META_"):
            monkeypatch.setenv(name, value)
    assert rows_of(MetaAdsConnector(), "account_daily", account_of(MetaAdsConnector()))


def test_a_window_before_the_history_limit_is_refused_without_a_request(
    meta: MetaAdsConnector, sandbox: Sandbox
) -> None:
    with pytest.raises(HistoryError, match="37 months"):
        meta.extract(
            CAMPAIGN_DAILY,
            PlatformAccount("meta_ads", META[0], META[0]),
            DateWindow.of_days("2015-01-01", "2015-01-31"),
        )
    assert sandbox.requests.count() == 0


def test_a_window_that_the_platform_refuses_gives_the_same_error(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    """This happens when the day has begun in the platform's time zone and not in ours."""
    account = account_of(meta)
    sandbox.world.now = NOW + timedelta(days=1500)
    with pytest.raises(HistoryError, match=r"the first day that can be requested is .*#3018.*MDP_START_DATE"):
        rows_of(meta, "account_daily", account)


# --- asynchronous report runs

RUNS = AsyncPolicy(above_rows=0, first_poll_seconds=0.002, longest_poll_seconds=0.01, longest_run_seconds=HANG_SECONDS)


@pytest.fixture
def asynchronous(meta_settings: Settings) -> MetaAdsConnector:
    return MetaAdsConnector(meta_settings(), retry=FAST, asynchronous=RUNS, pause_seconds=0.01)


def test_a_large_extract_uses_a_report_run(asynchronous: MetaAdsConnector, sandbox: Sandbox) -> None:
    account = account_of(asynchronous)
    rows = rows_of(asynchronous, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, account.account_id, LAST_MONTH)
    assert sandbox.requests.count("meta_ads", "start_run") == 1
    assert sandbox.requests.count("meta_ads", "insights") == 0


def test_a_moderate_extract_does_not_use_a_report_run(meta: MetaAdsConnector, sandbox: Sandbox) -> None:
    rows_of(meta, "campaign_daily", account_of(meta), DateWindow(NOW.date() - timedelta(days=92), NOW.date()))
    assert sandbox.requests.count("meta_ads", "start_run") == 0


@pytest.mark.parametrize(
    ("fault", "params", "times", "runs", "falls_back"),
    [
        ("async_failed", {}, 1, 2, False),
        ("async_failed", {"status": "Job Skipped"}, 1, 2, False),
        ("async_failed", {}, None, 2, True),
        ("async_stuck", {}, None, 1, True),
    ],
)
def test_a_report_run_that_fails_or_hangs_is_not_repeated_for_ever(
    meta_settings: Settings,
    sandbox: Sandbox,
    fault: str,
    params: dict[str, Any],
    times: int | None,
    runs: int,
    falls_back: bool,
) -> None:
    policy = replace(RUNS, longest_run_seconds=0.3) if fault == "async_stuck" else RUNS
    asynchronous = MetaAdsConnector(meta_settings(), retry=FAST, asynchronous=policy, pause_seconds=0.01)
    account = account_of(asynchronous)
    sandbox.faults.add("meta_ads", fault, times=times, **params)
    rows = rows_of(asynchronous, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, account.account_id, LAST_MONTH)
    assert sandbox.requests.count("meta_ads", "start_run") == runs
    assert (sandbox.requests.count("meta_ads", "insights") > 0) is falls_back


@pytest.mark.parametrize("method", ["start_run", "run", "run_insights"])
@pytest.mark.parametrize(("fault", "params"), [("html_502", {}), ("transient", {"code": 1}), ("disabled_account", {})])
def test_a_server_without_report_runs_is_read_page_by_page(
    asynchronous: MetaAdsConnector, sandbox: Sandbox, method: str, fault: str, params: dict[str, Any]
) -> None:
    account = account_of(asynchronous)
    sandbox.faults.add("meta_ads", fault, method=method, **params)
    rows = rows_of(asynchronous, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, account.account_id, LAST_MONTH)


def test_a_token_that_expires_during_a_report_run_fails_the_whole_extract(
    asynchronous: MetaAdsConnector, sandbox: Sandbox
) -> None:
    account = account_of(asynchronous)
    sandbox.faults.add("meta_ads", "expired_token", method="run", after=1)
    with pytest.raises(PlatformError):
        rows_of(asynchronous, "campaign_daily", account)
