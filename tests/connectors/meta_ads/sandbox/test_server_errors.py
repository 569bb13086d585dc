"""Refusals, faults and report runs of the Graph API, in the form that the real client receives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from sandbox import Sandbox
from tests.support.limits import HANG_SECONDS
from tests.support.sandbox_clients import META_LEADS, META_SALES, Graph

ACT = f"act_{META_SALES}"
WEEK: dict[str, Any] = {
    "level": "campaign",
    "time_increment": 1,
    "time_range": {"since": "2026-11-10", "until": "2026-11-16"},
    "fields": "campaign_id,spend,impressions,actions",
    "limit": 10,
}


def _refusal(call: Callable[[], object]) -> FacebookRequestError:
    with pytest.raises(FacebookRequestError) as raised:
        call()
    assert raised.value.body()["error"]["fbtrace_id"]
    return raised.value


def _codes(error: FacebookRequestError) -> tuple[int, int, int | None]:
    return error.http_status(), error.api_error_code(), error.api_error_subcode()


@pytest.mark.parametrize(
    ("path", "params", "code", "subcode", "message"),
    [
        (("act_1",), {}, 100, 33, "Object with ID 'act_1' does not exist"),
        (("act_1", "insights"), {}, 100, 33, "Unsupported get request"),
        (("123456",), {}, 100, 33, "Unsupported get request"),
        ((ACT, "nonsense"), {}, 2500, None, "Unknown path components: /nonsense"),
        ((ACT,), {"fields": "name,shoe_size"}, 100, None, "nonexisting field (shoe_size) on node type (AdAccount)"),
        ((ACT, "campaigns"), {"fields": "shoe_size"}, 100, None, "nonexisting field (shoe_size) on node type (Campaign)"),  # noqa: E501
        ((ACT, "insights"), {"fields": "spend,shoe_size"}, 100, None, "shoe_size is not valid for fields param"),
        ((ACT, "insights"), {"level": "planet"}, 100, None, "level must be one of"),
        ((ACT, "insights"), {"time_increment": 91}, 100, None, "time_increment must be"),
        ((ACT, "insights"), {"time_range": "yesterday"}, 100, None, "must be valid JSON"),
        ((ACT, "insights"), {"time_range": {"since": "2026-11-02", "until": "2026-11-01"}}, 100, None, "before or equal"),  # noqa: E501
        ((ACT, "insights"), {"time_range": {"since": "2026-13-02", "until": "2026-11-01"}}, 100, None, "YYYY-MM-DD"),
        ((ACT, "insights"), {"time_range": {"since": "2023-01-01", "until": "2023-01-31"}}, 3018, None, "37 months"),
        ((ACT, "insights"), {"action_attribution_windows": ["7d_view"]}, 100, None, "action_attribution_windows"),
        ((ACT, "insights"), {"limit": 0}, 100, None, "limit"),
        ((ACT, "insights"), {"after": "nonsense"}, 100, None, "Invalid cursors"),
        ((ACT, "insights"), {"filtering": [{"field": "moon", "operator": "IN", "value": 1}]}, 100, None, "moon"),
        ((ACT, "insights"), {"filtering": [{"field": "spend"}]}, 100, None, "filtering must be"),
    ],
)  # fmt: skip
def test_requests_are_refused_with_the_real_apis_errors(
    graph: Graph, path: tuple[str, ...], params: dict[str, Any], code: int, subcode: int | None, message: str
) -> None:
    error = _refusal(lambda: graph(*path, **params))
    assert _codes(error) == (400, code, subcode)
    assert message in error.api_error_message()


@pytest.mark.parametrize("params", [{"breakdowns": "age"}, {"level": "ad"}, {"fields": "purchase_roas"}])
def test_features_outside_the_sandbox_are_named_in_the_error(graph: Graph, params: dict[str, Any]) -> None:
    error = _refusal(lambda: graph(ACT, "insights", **params))
    assert error.http_status() == 501 and "sandbox doesn't model" in error.api_error_message()


@pytest.mark.parametrize(
    ("token", "secret", "code"),
    [("EAAnonsense", "whatever", 190), (None, None, 104), ("good", "not the app's secret", 100)],
)
def test_tokens_and_proofs_are_checked(sandbox: Sandbox, token: str | None, secret: str | None, code: int) -> None:
    real = sandbox.env["META_ACCESS_TOKEN"] if token == "good" else token
    session = FacebookSession(sandbox.env["META_APP_ID"], secret, real, timeout=HANG_SECONDS)
    session.GRAPH = sandbox.url
    error = _refusal(lambda: FacebookAdsApi(session, api_version="v26.0").call("GET", ("me", "adaccounts")))
    assert _codes(error)[:2] == (400, code)
    assert error.api_error_type() in ("OAuthException", "GraphMethodException")


@pytest.mark.parametrize("version", ["v23.0", "v26.0"])
def test_supported_versions_answer(meta_api: FacebookAdsApi, version: str) -> None:
    answer = meta_api.call("GET", ("me",), api_version=version)
    assert answer.headers()["facebook-api-version"] == version


@pytest.mark.parametrize("version", ["v22.0", "v27.0"])
def test_other_versions_are_refused_as_deprecated(meta_api: FacebookAdsApi, version: str) -> None:
    assert _refusal(lambda: meta_api.call("GET", ("me",), api_version=version)).api_error_code() == 2635


@pytest.mark.parametrize(
    ("kind", "params", "codes"),
    [
        ("expired_token", {}, (400, 190, 463)),
        ("disabled_account", {}, (403, 200, None)),
        ("sunset_version", {}, (400, 2635, None)),
        ("transient", {}, (500, 2, None)),
        ("transient", {"code": 1}, (500, 1, None)),
        ("throttle", {}, (400, 80000, 2446079)),
        ("throttle", {"code": 4}, (403, 4, 1504022)),
        ("throttle", {"code": 17}, (400, 17, 2446079)),
        ("throttle", {"code": 613}, (400, 613, 1487742)),
        ("reduce_data", {}, (500, 100, 1487534)),
    ],
)
def test_faults_with_an_error_body(
    sandbox: Sandbox, graph: Graph, kind: str, params: dict[str, Any], codes: tuple[int, int, int | None]
) -> None:
    sandbox.faults.add("meta_ads", kind, account_id=ACT, times=1, **params)
    assert graph(f"act_{META_LEADS}", "insights", **WEEK)["data"]
    assert _codes(_refusal(lambda: graph(ACT, "insights", **WEEK))) == codes
    assert graph(ACT, "insights", **WEEK)["data"]


def test_the_answer_to_a_throttled_caller_has_the_delay(sandbox: Sandbox, graph: Graph) -> None:
    sandbox.faults.add("meta_ads", "throttle", times=1, regain_minutes=12)
    headers = _refusal(lambda: graph(ACT, "insights", **WEEK)).http_headers()
    (usage,) = json.loads(headers["X-Business-Use-Case-Usage"])[META_SALES]
    assert usage["estimated_time_to_regain_access"] == 12 and usage["call_count"] == 100


def test_usage_can_be_high(sandbox: Sandbox, meta_api: FacebookAdsApi) -> None:
    sandbox.faults.add("meta_ads", "usage_high", account_id=META_SALES, percent=96)
    headers = meta_api.call("GET", (ACT, "insights")).headers()
    assert json.loads(headers["X-FB-Ads-Insights-Throttle"])["acc_id_util_pct"] == 96


def test_a_smaller_request_succeeds_where_a_larger_one_is_refused(sandbox: Sandbox, graph: Graph) -> None:
    sandbox.faults.add("meta_ads", "reduce_data", max_days=3)
    _refusal(lambda: graph(ACT, "insights", **WEEK))
    assert graph(ACT, "insights", **WEEK | {"time_range": {"since": "2026-11-10", "until": "2026-11-12"}})["data"]


@pytest.mark.parametrize("status", [502, 200])
def test_a_proxy_can_answer_in_html(sandbox: Sandbox, meta_api: FacebookAdsApi, status: int) -> None:
    sandbox.faults.add("meta_ads", "html_502", times=1, status=status)
    answer = meta_api.call("GET", (ACT, "insights"))  # the client takes HTML for success
    assert answer.status() == status and "<html" in answer.body()
    assert answer.headers()["content-type"].startswith("text/html")


def test_the_connection_can_break(sandbox: Sandbox, graph: Graph) -> None:
    sandbox.faults.add("meta_ads", "connection_reset", times=1)
    with pytest.raises(requests.ConnectionError):
        graph(ACT, "insights", **WEEK)
    assert graph(ACT, "insights", **WEEK)["data"]


def test_an_answer_can_be_slow(sandbox: Sandbox, graph: Graph) -> None:
    sandbox.faults.add("meta_ads", "slow", times=1, delay_s=0.4)
    started = time.perf_counter()
    graph(ACT, "insights", **WEEK)
    assert time.perf_counter() - started > 0.4


def test_an_empty_page_can_have_a_next(sandbox: Sandbox, graph: Graph, all_pages: Callable[..., Any]) -> None:
    every = all_pages(ACT, "insights", **WEEK)
    sandbox.faults.add("meta_ads", "empty_page_with_next", times=1, after=1)
    assert all_pages(ACT, "insights", **WEEK) == every
    sandbox.faults.add("meta_ads", "empty_page_with_next", times=1)
    page = graph(ACT, "insights", **WEEK)
    assert page["data"] == [] and page["paging"]["next"]


def test_rows_can_be_malformed_or_sent_twice(sandbox: Sandbox, graph: Graph) -> None:
    good = graph(ACT, "insights", **WEEK)["data"]
    for field, value in (("spend", "abc"), ("date_start", "20-13-0045"), ("campaign_id", None)):
        sandbox.faults.add("meta_ads", "malformed", times=1, field=field, row=2)
        rows = graph(ACT, "insights", **WEEK)["data"]
        assert rows[2].get(field) == value and rows[:2] == good[:2]
    sandbox.faults.add("meta_ads", "duplicate_rows", times=1, rows=2)
    assert graph(ACT, "insights", **WEEK)["data"] == good + good[:2]


def test_a_large_answer_requires_a_report_run(sandbox: Sandbox, graph: Graph) -> None:
    sandbox.servers["meta_ads"].graph.reduce_data_rows = 5
    try:
        assert _codes(_refusal(lambda: graph(ACT, "insights", **WEEK)))[1:] == (100, 1487534)
        run = graph(ACT, "insights", method="POST", **WEEK)["report_run_id"]
        assert run
    finally:
        sandbox.servers["meta_ads"].graph.reduce_data_rows = 1_000_000


def test_a_report_run_goes_through_its_states(graph: Graph, all_pages: Callable[..., Any]) -> None:
    run = graph(ACT, "insights", method="POST", **WEEK)["report_run_id"]
    assert _refusal(lambda: graph(run, "insights")).api_error_code() == 2601
    states = []
    while not states or states[-1][0] not in ("Job Completed", "Job Failed"):
        node = graph(run)
        states.append((node["async_status"], node["async_percent_completion"]))
    assert [name for name, _ in states] == [
        "Job Not Started", "Job Started", "Job Running", "Job Running", "Job Completed",
    ]  # fmt: skip
    assert [percent for _, percent in states] == sorted(percent for _, percent in states)
    assert states[-1][1] == 100
    assert all_pages(run, "insights", limit=4) == all_pages(ACT, "insights", **WEEK)


def test_the_sdks_report_run_object_works(meta_api: FacebookAdsApi) -> None:
    run = AdAccount(ACT, api=meta_api).get_insights_async(
        fields=["campaign_id", "spend"],
        params={"level": "campaign", "time_increment": 1, "date_preset": "last_7d"},
    )
    assert isinstance(run, AdReportRun)
    for _ in range(10):
        if run.api_get()["async_status"] == "Job Completed":
            break
    assert len(list(run.get_insights(params={"limit": 3}))) > 10


@pytest.mark.parametrize(
    ("kind", "params", "end"),
    [
        ("async_failed", {}, ("Job Failed", 47)),
        ("async_failed", {"status": "Job Skipped"}, ("Job Skipped", 47)),
        ("async_stuck", {}, ("Job Running", 12)),
    ],
)
def test_a_report_run_can_fail_or_hang(
    sandbox: Sandbox, graph: Graph, kind: str, params: dict[str, Any], end: tuple[str, int]
) -> None:
    sandbox.faults.add("meta_ads", kind, times=1, **params)
    run = graph(ACT, "insights", method="POST", **WEEK)["report_run_id"]
    nodes = [graph(run) for _ in range(8)]
    assert {(node["async_status"], node["async_percent_completion"]) for node in nodes[5:]} == {end}
    _refusal(lambda: graph(run, "insights"))
    again = graph(ACT, "insights", method="POST", **WEEK)["report_run_id"]
    assert again != run


def test_a_bad_report_run_is_refused_at_once(graph: Graph) -> None:
    assert _refusal(lambda: graph(ACT, "insights", method="POST", fields="shoe_size")).api_error_code() == 100


def test_the_request_log_has_no_secrets(sandbox: Sandbox, graph: Graph) -> None:
    graph(ACT, "insights", **WEEK)
    log = json.dumps(sandbox.requests.requests())
    assert "time_increment" in log
    assert sandbox.env["META_ACCESS_TOKEN"] not in log and "appsecret_proof" not in log
