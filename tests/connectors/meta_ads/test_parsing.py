"""The functions that parse Meta's rows, errors and headers accept any JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    HistoryError,
    PlatformError,
    QuotaError,
    TransientError,
)
from mdp_dagster.connectors.meta_ads import REPORTS
from mdp_dagster.connectors.meta_ads.errors import TooMuchDataError, classify, parse_object, refusal
from mdp_dagster.connectors.meta_ads.rows import RowGatherer, canonical_json
from mdp_dagster.connectors.meta_ads.usage import Usage, usage_of

ACCOUNT = PlatformAccount("meta_ads", "1", "1", time_zone="Europe/Rome")

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
columns = sorted({column.name for report in REPORTS for column in report.columns})
actions = st.lists(
    st.fixed_dictionaries(
        {"action_type": st.sampled_from(["purchase", "lead", "link_click", "x"]), "value": st.integers(0, 99).map(str)},
        optional={"1d_click": st.integers(0, 9).map(str), "action_device": st.sampled_from(["desktop", "mobile"])},
    ),
    max_size=6,
)


@pytest.mark.slow
@given(
    st.lists(anything | st.dictionaries(st.sampled_from(columns), anything), max_size=8), anything, st.integers(1, 3)
)
def test_any_rows_become_the_same_number_of_rows(rows: list[Any], status: Any, batch_rows: int) -> None:
    # as an answer has them: through JSON, with half surrogate pairs
    received = parse_object(json.dumps({"data": rows}))
    assert received is not None
    for report in REPORTS:
        gathered = RowGatherer(report, ACCOUNT, {"7": {"status": status}}, batch_rows)
        gathered.add(received["data"])
        batches = gathered.batches()
        assert sum(batch.num_rows for batch in batches) == len(rows)
        assert all(batch.schema == report.schema for batch in batches)


@pytest.mark.parametrize("account_id", ["2", 2, "act_2", "act_act_1"])
def test_a_row_of_another_account_fails_the_account(account_id: Any) -> None:
    gathered = RowGatherer(REPORTS[0], ACCOUNT, {})
    gathered.add([{"account_id": "1"}, {"account_id": 1}, {"account_id": "act_1"}, {"account_id": None}, {}])
    with pytest.raises(AccountError, match=f"the answer for account 1 has rows of another account: {account_id}"):
        gathered.add([{"account_id": "1"}, {"account_id": account_id}])


@given(actions, st.randoms())
def test_the_order_of_actions_does_not_matter(entries: list[dict[str, str]], random: Any) -> None:
    shuffled = [dict(random.sample(list(entry.items()), len(entry))) for entry in entries]
    random.shuffle(shuffled)
    assert canonical_json(shuffled) == canonical_json(entries)
    assert sorted(json.loads(canonical_json(entries) or ""), key=str) == sorted(
        (dict(sorted(entry.items())) for entry in entries), key=str
    )


@given(anything)
def test_text_of_json_is_valid_json(value: Any) -> None:
    out = canonical_json(value)
    assert out is None if value is None else out is not None
    if out is not None:
        json.loads(out)


@given(
    st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace")) | anything.map(json.dumps),
    st.integers(100, 599),
)
def test_any_refusal_is_some_connector_error(body: str, status: int) -> None:
    assert isinstance(refusal(status, body, Usage(), "x"), ConnectorError)


@given(st.dictionaries(st.sampled_from(["code", "error_subcode", "message", "is_transient", "type"]), anything))
def test_any_error_object_is_some_connector_error(error: dict[str, Any]) -> None:
    assert isinstance(classify(400, error, Usage(), "x"), ConnectorError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *(({"code": code}, TransientError) for code in (1, 2, 4, 17, 32, 613, *range(80000, 80007), 80008)),
        ({"code": 99, "is_transient": True}, TransientError),
        ({"code": 190}, PlatformError),
        ({"code": 102}, PlatformError),
        ({"code": 104, "message": "An access token is required to request this resource."}, PlatformError),
        ({"code": 2500, "message": "An active access token must be used to query information"}, PlatformError),
        ({"code": 2500, "message": "Unknown path components: /x"}, AccountError),
        ({"code": 2635, "message": "You are calling a deprecated version of the Ads API."}, PlatformError),
        ({"code": 100, "error_subcode": 33}, AccountError),
        ({"code": 100, "message": "Invalid appsecret_proof provided in the API argument"}, PlatformError),
        ({"code": 100, "error_subcode": 1487534}, TooMuchDataError),
        ({"code": 1, "message": "Please reduce the amount of data you're asking for, then retry"}, TooMuchDataError),
        ({"code": 100}, AccountError),
        ({"code": 200}, AccountError),
        ({"code": 273}, AccountError),
        ({"code": 10}, AccountError),
        ({"code": 3}, AccountError),
        ({"code": 294}, AccountError),
        ({"code": 3018}, HistoryError),
        ({}, AccountError),
    ],
)
def test_what_an_error_means(error: dict[str, Any], kind: type[ConnectorError]) -> None:
    found = classify(400, {"message": "Words.", "fbtrace_id": "Abc"} | error, Usage(), "act_1")
    assert type(found) is kind
    assert error.get("message", "Words.") in found.message
    assert "fbtrace_id Abc" in found.message


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80000, 80004])
def test_a_throttle_with_a_delay_is_a_quota(code: int) -> None:
    error = classify(400, {"code": code}, Usage(100, 300), "x")
    assert isinstance(error, QuotaError)
    assert error.retry_after_seconds == 300


@pytest.mark.parametrize(
    ("headers", "usage"),
    [
        ({}, Usage()),
        ({"X-App-Usage": '{"call_count": 28, "total_time": 99.5, "total_cputime": 25}'}, Usage(99.5)),
        ({"x-ad-account-usage": '{"acc_id_util_pct": 9.67, "reset_time_duration": 100}'}, Usage(9.67)),
        ({"X-FB-Ads-Insights-Throttle": '{"app_id_util_pct": 100, "acc_id_util_pct": 10}'}, Usage(100)),
        (
            {
                "X-Business-Use-Case-Usage": '{"1": [{"call_count": 5, "estimated_time_to_regain_access": 0}], "2": '
                '[{"call_count": 1}, {"total_cputime": "96", "estimated_time_to_regain_access": 3}]}'
            },
            Usage(96, 180),
        ),
        ({"x-app-usage": "no JSON", "x-ad-account-usage": "[5]", "x-unrelated": '{"call_count": 99}'}, Usage()),
        (
            {"x-app-usage": '{"call_count": "many", "total_time": NaN, "total_cputime": true, "acc_id_util_pct": -4}'},
            Usage(),
        ),
    ],
)
def test_usage_is_that_of_the_limit_closest_to_full(headers: dict[str, str], usage: Usage) -> None:
    assert usage_of(headers) == usage


@given(
    st.dictionaries(st.sampled_from(["x-app-usage", "x-business-use-case-usage"]), anything.map(json.dumps) | st.text())
)
def test_any_header_is_some_usage(headers: dict[str, str]) -> None:
    usage = usage_of(headers)
    assert 0 <= usage.percent < float("inf")
    assert 0 <= usage.regain_seconds < float("inf")
