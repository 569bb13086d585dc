"""Answers of a Graph server or a proxy: wrong links between pages, and bodies that are not valid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, TransientError
from mdp_dagster.connectors.meta_ads import MetaAdsConnector
from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy
from mdp_dagster.connectors.meta_ads.client import next_step
from mdp_dagster.connectors.meta_ads.errors import BrokenPagingError
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from tests.connectors.conftest import FAST, causes, rows_of
from tests.connectors.meta_ads.scripted_graph import Asked, Reply, ScriptedGraph
from tests.support.limits import HANG_SECONDS

TOKEN = "token-of-the-tests"
ACCOUNT = PlatformAccount("meta_ads", "1", "1", time_zone="Europe/Rome")
Answer = Callable[[Asked, int], Any]


def connector(url: str, **more: Any) -> MetaAdsConnector:
    settings = MetaAdsSettings(_env_file=None, access_token=TOKEN, graph_url=url)  # type: ignore[call-arg, arg-type]
    return MetaAdsConnector(settings, retry=FAST, timeout_seconds=HANG_SECONDS, pause_seconds=0.01, **more)


def days_of(answer: Answer, report: str = "account_daily", **more: Any) -> tuple[list[str], list[Asked]]:
    """The days in the order of the rows, and the requests."""
    with ScriptedGraph(answer) as graph:
        rows = rows_of(connector(graph.url, **more), report, ACCOUNT)
        return [row["date_start"] for row in rows], graph.asked


def page(days: list[str], **paging: Any) -> dict[str, Any]:
    return {"data": [{"date_start": day} for day in days]} | ({"paging": paging} if paging else {})


# --- pages


def test_the_cursor_is_followed_while_there_is_a_next() -> None:
    def answer(asked: Asked, number: int) -> Any:
        after = asked.params.get("after")
        if after is None:
            return page(["a"], cursors={"before": "x", "after": "1"}, next="https://graph.facebook.com/?access_token=T")
        if after == "1":
            return page([], cursors={"after": "2"}, next="yes")  # an empty page isn't the end
        return page(["b"], cursors={"after": "3"})  # a cursor without a next is

    days, asked = days_of(answer)
    assert days == ["a", "b"]
    assert [a.params.get("after") for a in asked] == [None, "1", "2"]
    assert {a.params["access_token"] for a in asked} == {TOKEN}
    assert all(a.path == "/v26.0/act_1/insights" for a in asked)


def test_the_parameters_of_a_next_address_are_followed_and_its_host_and_token_are_not() -> None:
    def answer(asked: Asked, number: int) -> Any:
        if "offset" not in asked.params:
            return page(["a"], next="https://elsewhere.example/v1/act_9/x?offset=1&access_token=EVIL&limit=1&level=ad")
        return page(["b"])

    days, asked = days_of(answer)
    assert days == ["a", "b"]
    assert asked[1].params == asked[0].params | {"offset": "1"}


@pytest.mark.parametrize("rows", [["a"], []])
def test_pages_in_a_circle_are_an_error(rows: list[str]) -> None:
    def answer(asked: Asked, number: int) -> Any:
        after = {None: "1", "1": "2", "2": "1"}[asked.params.get("after")]
        return page(rows, cursors={"after": after}, next="yes")

    with pytest.raises(TransientError, match="round in circles|names itself"):
        days_of(answer)


def test_after_a_circle_the_pages_are_read_again_from_the_first() -> None:
    def answer(asked: Asked, number: int) -> Any:
        after = asked.params.get("after")
        if after is None:
            return page(["a"], cursors={"after": "1"}, next="yes")
        return page(["b"], cursors={"after": "1"}, next="yes") if number <= 3 else page(["b"])

    days, asked = days_of(answer)
    assert days == ["a", "b"]
    assert len(asked) == 4


def test_after_an_invalid_cursor_the_pages_are_read_again_from_the_first() -> None:
    def answer(asked: Asked, number: int) -> Any:
        if asked.params.get("after") is None:
            return page(["a"], cursors={"after": "1"}, next="yes")
        return invalid if number == 2 else page(["b"])

    invalid = Reply({"error": {"code": 2642, "message": "Invalid cursors values"}}, 400)
    days, asked = days_of(answer)
    assert days == ["a", "b"]
    assert [a.params.get("after") for a in asked] == [None, "1", None, "1"]


def test_a_cursor_that_stays_invalid_is_an_error_after_a_few_readings() -> None:
    asked: list[Asked] = []

    def answer(one: Asked, number: int) -> Any:
        asked.append(one)
        if one.params.get("after") is None:
            return page(["a"], cursors={"after": "1"}, next="yes")
        return Reply({"error": {"code": 2642, "message": "Invalid cursors values"}}, 400)

    with pytest.raises(TransientError, match="Invalid cursors values"):
        days_of(answer)
    assert len(asked) == 2 * FAST.attempts


def test_a_next_without_parameters_is_an_error() -> None:
    with pytest.raises(TransientError, match="no parameters to request it"):
        days_of(lambda asked, number: page(["a"], next="https://graph.facebook.com/"))


@pytest.mark.parametrize("paging", [None, [], "x", {}, {"next": None}, {"next": ""}, {"cursors": {"after": "1"}}])
def test_without_a_next_the_page_is_the_last(paging: Any) -> None:
    assert next_step(paging, {}, "x") is None
    days, asked = days_of(lambda asked, number: page(["a"]) | {"paging": paging})
    assert days == ["a"]
    assert len(asked) == 1


def test_a_circle_is_a_transient_error() -> None:
    assert issubclass(BrokenPagingError, TransientError)


# --- bodies


RUBBISH: list[tuple[Any, type[ConnectorError]]] = [
    (Reply(b""), TransientError),
    (Reply(b"null"), TransientError),
    (Reply(b"5"), TransientError),
    (Reply(b"[]"), TransientError),
    (Reply(b'"error"'), TransientError),
    (Reply(b'["success", "error"]'), TransientError),
    (Reply(b"{}"), TransientError),
    (Reply(b'{"data": null}'), TransientError),
    (Reply(b'{"data": {"0": {}}}'), TransientError),
    (Reply(b'{"data": ['), TransientError),
    (Reply(b"\xff\xfe\x00"), TransientError),
    (Reply(b"[" * 100_000), TransientError),
    (Reply(b"<html>success error Service Unavailable</html>"), TransientError),
    (Reply(b"<html>Service Unavailable</html>", 503), TransientError),
    (Reply(b"{}", 500), TransientError),
    (Reply(b'{"data": []}', 500), TransientError),
    (Reply(b"", 204), TransientError),
    (Reply(b"Too Many Requests", 429), TransientError),
    (Reply(b"not here", 404), AccountError),
    (Reply(b"forbidden", 403), AccountError),
    (Reply(b"unauthorized", 401), PlatformError),
    (Reply({"error": "a text"}, 400), AccountError),
    (Reply({"error": ["a", "list"]}, 400), AccountError),
    (Reply({"error": {}}, 400), AccountError),
    (Reply({"error": {"code": "190", "message": f"bad {TOKEN}"}}, 400), PlatformError),
    (Reply({"error": {"code": None, "error_data": "no JSON", "message": 5}}), AccountError),
    (Reply({"error": {"code": 190}}), PlatformError),  # HTTP 200 with an error
    (Reply({"data": [], "error": {"code": 2}}), TransientError),
    (Reply(b'{"data": []}', promised=500), TransientError),  # breaks off
    (Reply(b'{"data": []}', headers={"content-encoding": "gzip"}), TransientError),
]


@pytest.mark.parametrize(("reply", "kind"), RUBBISH, ids=[str(n) for n in range(len(RUBBISH))])
def test_rubbish_is_a_typed_error_without_the_token(reply: Reply, kind: type[ConnectorError]) -> None:
    with pytest.raises(ConnectorError) as caught:
        days_of(lambda asked, number: reply)
    assert type(caught.value) is kind
    assert all(isinstance(error, ConnectorError) for error in causes(caught.value))
    assert TOKEN not in "".join(f"{error!s}{error!r}" for error in causes(caught.value))


@pytest.mark.parametrize("reply", [reply for reply, kind in RUBBISH if kind is TransientError])
def test_no_row_is_lost_after_a_rubbish_answer_that_passes(reply: Reply) -> None:
    days, asked = days_of(lambda asked, number: reply if number == 1 else page(["a"]))
    assert days == ["a"]
    assert len(asked) == 2


def test_numbers_keep_their_digits_and_texts_their_letters() -> None:
    raw = """{"data": [{"date_start": "2026-01-01", "account_name": "Straße \\ud83e\\udd7e \\ud800", "spend": 12.10,
        "impressions": 12345678901234567890, "clicks": "7", "reach": 1e3, "inline_link_clicks": null,
        "account_currency": ["EUR"], "actions": [{"value": 3, "action_type": "z"}, {"action_type": "a", "value": 1.50}],
        "action_values": {"a": true}, "unknown_to_us": [[[]]]}]}"""
    with ScriptedGraph(lambda asked, number: Reply(raw, headers={"content-type": "text/javascript"})) as graph:
        (row,) = rows_of(connector(graph.url), "account_daily", ACCOUNT)
    assert row == {
        "account_name": "Straße 🥾 ?",
        "account_currency": '["EUR"]',
        "timezone_name": "Europe/Rome",
        "date_start": "2026-01-01",
        "date_stop": None,
        "impressions": "12345678901234567890",
        "clicks": "7",
        "spend": "12.10",
        "reach": "1e3",
        "inline_link_clicks": None,
        "actions": '[{"action_type":"a","value":"1.50"},{"action_type":"z","value":"3"}]',
        "action_values": '{"a":true}',
    }


def test_a_row_that_is_not_an_object_is_a_row_of_nulls(caplog: pytest.LogCaptureFixture) -> None:
    days, _ = days_of(lambda asked, number: {"data": [None, {"date_start": "a"}, 5, ["x"]]})
    assert days == [None, "a", None, None]
    assert "a row is not an object" in caplog.text


# --- campaigns


def test_statuses_are_joined_by_an_id_of_any_type() -> None:
    def answer(asked: Asked, number: int) -> Any:
        if asked.path.endswith("campaigns"):
            assert (
                asked.params["effective_status"]
                == '["ACTIVE","ARCHIVED","DELETED","IN_PROCESS","PAUSED","WITH_ISSUES"]'
            )
            return {
                "data": [
                    {"id": 7, "status": "PAUSED"},
                    {"id": "8", "effective_status": "DELETED"},
                    {},
                    None,
                    {"id": None},
                ]
            }
        return {"data": [{"campaign_id": "7"}, {"campaign_id": 8}, {"campaign_id": "9"}, {}]}

    with ScriptedGraph(answer) as graph:
        rows = rows_of(connector(graph.url), "campaign_daily", ACCOUNT)
    assert [(r["campaign_id"], r["campaign_status"], r["campaign_effective_status"]) for r in rows] == [
        ("7", "PAUSED", None),
        ("8", None, "DELETED"),
        ("9", None, None),
        (None, None, None),
    ]


# --- proxies


def test_a_token_for_this_machine_does_not_go_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with ScriptedGraph(lambda asked, number: Reply(b"", 502)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        days, asked = days_of(lambda asked, number: page(["a"]))
    assert (days, len(asked), proxy.asked) == (["a"], 1, [])


# --- report runs


@pytest.mark.parametrize(
    "start",
    [Reply(b"not here", 404), {}, {"report_run_id": None}, Reply({"error": {"code": 100}}, 400), Reply(b"<html>", 500)],
)
def test_a_server_without_report_runs_is_read_page_by_page(start: Any) -> None:
    def answer(asked: Asked, number: int) -> Any:
        if asked.path.endswith("campaigns"):
            return {"data": [{"id": "7"}]}
        return start if asked.method == "POST" else page(["a"])

    days, asked = days_of(answer, "campaign_daily", asynchronous=AsyncPolicy(above_rows=0))
    assert days == ["a"]
    assert {a.method for a in asked} == {"GET", "POST"}


@pytest.mark.parametrize("percent", [{}, {"async_percent_completion": None}, {"async_percent_completion": 99}])
def test_a_completed_run_is_read_for_any_id_and_any_percentage(percent: dict[str, Any]) -> None:
    def answer(asked: Asked, number: int) -> Any:
        if asked.path.endswith("campaigns"):
            return {"data": [{"id": "7"}]}
        if asked.method == "POST":
            return {"report_run_id": 6080000000000001}
        return page(["a"]) if asked.path.endswith("1/insights") else {"async_status": "Job Completed"} | percent

    days, asked = days_of(answer, "campaign_daily", asynchronous=AsyncPolicy(above_rows=0))
    assert days == ["a"]
    assert [a.path for a in asked].count("/v26.0/6080000000000001") == 1
    assert not [a for a in asked if a.path.endswith("act_1/insights") and a.method == "GET"]
