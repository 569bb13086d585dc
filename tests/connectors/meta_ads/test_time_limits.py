"""Meta takes too long: an answer that never ends is an error, and a request that is too large becomes a smaller one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import DeadlineError, TransientError
from mdp_dagster.connectors.meta_ads import MetaAdsConnector
from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.window import DateWindow
from tests.connectors.conftest import FAST, rows_of
from tests.connectors.dribbling import dribbling_server
from tests.connectors.meta_ads.scripted_graph import Asked, Reply, ScriptedGraph
from tests.support.limits import HANG_SECONDS

ACCOUNT = PlatformAccount("meta_ads", "1", "1", time_zone="Europe/Rome")
LAST_DAY = date.today() - timedelta(days=3)
CAMPAIGNS = [str(number) for number in range(100, 105)]


def connector(url: str, timeout: float = HANG_SECONDS, **more: Any) -> MetaAdsConnector:
    settings = MetaAdsSettings(_env_file=None, access_token="token", graph_url=url)  # type: ignore[call-arg, arg-type]
    return MetaAdsConnector(settings, timeout_seconds=timeout, **({"retry": FAST} | more))


def days(count: int) -> DateWindow:
    return DateWindow.of_days(LAST_DAY - timedelta(days=count - 1), LAST_DAY)


# --- an answer that never ends

_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (_OK + b"content-length: 1000000\r\n\r\n", b" "),
        (_OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (_OK + b'connection: close\r\n\r\n{"data": []}', b" "),  # valid JSON at every moment
        (_OK, b"x-padding: 1\r\n"),
        (b"", b"H"),
    ],
    ids=["body", "chunks", "body until the connection closes", "headers", "status line"],
)
def test_an_answer_that_never_ends_is_an_error_at_the_deadline(start: bytes, piece: bytes) -> None:
    with dribbling_server(start, piece) as (url, requests), pytest.raises(TransientError) as caught:
        rows_of(connector(url, timeout=0.5), "account_daily", ACCOUNT, days(5))
    if piece != b"x-padding: 1\r\n" and piece != b"H":  # too many headers and a long status line are errors earlier
        assert isinstance(caught.value, DeadlineError)
        assert "the whole answer did not arrive within 0.5 s" in str(caught.value)
        assert len(requests) == 2  # once more, in case the connection was at fault
    assert len(requests) <= FAST.attempts


def test_a_slow_answer_within_the_deadline_is_read() -> None:
    body = json.dumps({"data": [{"date_start": "a"}]})
    with ScriptedGraph(lambda asked, number: Reply(body, seconds_per_byte=0.005)) as graph:
        rows = rows_of(connector(graph.url), "account_daily", ACCOUNT, days(1))
    assert [row["date_start"] for row in rows] == ["a"]


# --- a request that takes too long

TIMEOUTS = [
    {"code": 1, "error_subcode": 99, "message": "An unknown error occurred"},
    {"code": 2, "error_subcode": 1504018, "message": "Your request timed out.", "is_transient": True},
    {"code": 100, "error_subcode": 1504022, "message": "Please try a smaller date range"},
    {"code": 1504018, "message": "Timeout"},
    {"code": 100, "error_subcode": 1487534, "message": "(#100) Please reduce the amount of data"},
]


class OverloadedGraph:
    """Answers only requests of at most a number of days and of campaigns. Each campaign has one row a day."""

    def __init__(self, refusal: Any, most_days: int = 1_000, most_campaigns: int = 1_000) -> None:
        self.refusal = refusal
        self.most_days = most_days
        self.most_campaigns = most_campaigns
        self.asked: list[tuple[int, int]] = []

    def __call__(self, asked: Asked, number: int) -> Any:
        if asked.path.endswith("campaigns"):
            return {"data": [{"id": campaign, "status": "ACTIVE"} for campaign in CAMPAIGNS]}
        span = json.loads(asked.params["time_range"])
        since, until = date.fromisoformat(span["since"]), date.fromisoformat(span["until"])
        window = [since + timedelta(days=n) for n in range((until - since).days + 1)]
        campaigns = CAMPAIGNS
        for one in json.loads(asked.params.get("filtering", "[]")):
            campaigns = one["value"] if one["field"] == "campaign.id" else campaigns
        self.asked.append((len(window), len(campaigns)))
        if len(window) > self.most_days or len(campaigns) > self.most_campaigns:
            return self.refusal
        return {"data": [{"date_start": str(day), "campaign_id": one} for day in window for one in campaigns]}


def expected(window: DateWindow) -> list[tuple[str, str]]:
    all_days = [window.start + timedelta(days=n) for n in range(len(window))]
    return [(str(day), campaign) for day in all_days for campaign in CAMPAIGNS]


def read(graph: Callable[[Asked, int], Any], window: DateWindow, **more: Any) -> list[tuple[str, str]]:
    with ScriptedGraph(graph) as server:
        rows = rows_of(connector(server.url, **more), "campaign_daily", ACCOUNT, window)
    return sorted((row["date_start"], row["campaign_id"]) for row in rows)


@pytest.mark.parametrize("error", TIMEOUTS, ids=lambda error: f"{error['code']}-{error.get('error_subcode')}")
def test_after_a_timeout_of_meta_the_days_are_halved_at_once(error: dict[str, Any]) -> None:
    graph = OverloadedGraph(Reply({"error": error}, 500), most_days=2)
    assert read(graph, days(8)) == expected(days(8))
    assert [count for count, _ in graph.asked] == [8, 4, 2, 2, 4, 2, 2]


def test_without_an_answer_the_days_are_halved_too() -> None:
    graph = OverloadedGraph(Reply(silent_seconds=2.0), most_days=2)
    assert read(graph, days(4), timeout=0.5) == expected(days(4))
    assert [count for count, _ in graph.asked] == [4, 2, 2]


@pytest.mark.parametrize("error", TIMEOUTS, ids=lambda error: f"{error['code']}-{error.get('error_subcode')}")
def test_after_a_day_the_campaigns_are_halved(error: dict[str, Any]) -> None:
    graph = OverloadedGraph(Reply({"error": error}, 500), most_days=1, most_campaigns=2)
    assert read(graph, days(1)) == expected(days(1))
    assert sorted({campaigns for _, campaigns in graph.asked}, reverse=True) == [5, 3, 2, 1]


def test_the_smallest_request_is_repeated_a_few_times() -> None:
    graph = OverloadedGraph(Reply({"error": TIMEOUTS[0]}, 500), most_days=0)
    with pytest.raises(TransientError, match="An unknown error occurred"):
        read(graph, days(2), retry=RetryPolicy(3, first_wait_seconds=0.001))
    assert graph.asked == [(2, 5), (1, 5), (1, 3), (1, 2), *[(1, 1)] * 3]


def test_after_a_report_run_that_hangs_the_window_is_halved() -> None:
    graph = OverloadedGraph(Reply({"error": TIMEOUTS[0]}, 500))

    def answer(asked: Asked, number: int) -> Any:
        if asked.method == "POST":
            return {"report_run_id": "77"}
        if asked.path.endswith("/77"):
            return {"async_status": "Job Running", "async_percent_completion": None}
        return graph(asked, number)

    policy = AsyncPolicy(above_rows=0, first_poll_seconds=0.01, longest_run_seconds=0.1)
    assert read(answer, days(8), asynchronous=policy) == expected(days(8))
    assert [count for count, _ in graph.asked] == [4, 4]
