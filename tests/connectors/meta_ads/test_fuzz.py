"""Any answer of a Graph server gives rows or one of the connector's errors, after few requests, without a secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import PlatformAccount, Report
from mdp_dagster.connectors.errors import ConnectorError, QuotaError
from mdp_dagster.connectors.history import earliest_today
from mdp_dagster.connectors.meta_ads import REPORTS, MetaAdsConnector
from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.ingest.row_validation import validate
from mdp_dagster.window import DateWindow
from tests.connectors.conftest import causes
from tests.connectors.meta_ads.graph_replies import APP_SECRET, TOKEN, answers
from tests.connectors.meta_ads.scripted_graph import Asked, Reply, ScriptedGraph
from tests.support.effort import fuzzed
from tests.support.limits import HANG_SECONDS
from tests.support.table import table_of

ACCOUNT = PlatformAccount("meta_ads", "1", "1", time_zone="Europe/Rome")
WINDOW = DateWindow(earliest_today().replace(day=1), earliest_today().replace(day=3))
# The usual number of attempts, without waits. The connector never sleeps through the delay of a limit.
IMPATIENT = RetryPolicy(attempts=2, first_wait_seconds=0, longest_wait_seconds=0, longest_quota_wait_seconds=0)
RUNS = AsyncPolicy(above_rows=-1, runs=2, first_poll_seconds=0, longest_poll_seconds=0, longest_run_seconds=0.001)


class Script:
    """The server's next replies, in turn for each kind of request. The last one is repeated for ever."""

    def __init__(self) -> None:
        self.replies: dict[str, Sequence[Reply]] = {}
        self.asked: list[Asked] = []

    def begin(self, **replies: Sequence[Reply]) -> None:
        self.replies, self.asked = replies, []

    def answer(self, asked: Asked, _: int) -> Any:
        self.asked.append(asked)
        kind = self._kind(asked)
        so_far = sum(1 for earlier in self.asked if self._kind(earlier) == kind)
        known = self.replies[kind if kind in self.replies else "pages"]
        return known[min(so_far, len(known)) - 1]

    @staticmethod
    def _kind(asked: Asked) -> str:
        if asked.method == "POST":
            return "start"
        last = asked.path.rpartition("/")[2]
        if last == "insights":
            return "pages"
        return "campaigns" if last == "campaigns" else "node"


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def url(script: Script) -> Iterator[str]:
    with ScriptedGraph(script.answer) as graph:
        yield graph.url


def connector(url: str, **more: Any) -> MetaAdsConnector:
    settings = MetaAdsSettings(_env_file=None, access_token=TOKEN, app_secret=APP_SECRET, app_id="1", graph_url=url)  # type: ignore[call-arg, arg-type]
    return MetaAdsConnector(settings, retry=IMPATIENT, timeout_seconds=HANG_SECONDS, pause_seconds=0, **more)


def is_fit_to_show(error: ConnectorError) -> None:
    """Asserts that the error has no secret, that any log can store it, and that its delay is a possible wait."""
    told = "".join(f"{one!s}{one!r}" for one in causes(error))
    for secret in (TOKEN, APP_SECRET, TOKEN.split("|")[0], "appsecret_proof=0"):
        assert secret not in told
    assert str(error).encode("utf-8") and len(str(error)) < 20_000
    assert all(isinstance(one, ConnectorError) for one in causes(error))
    if isinstance(error, QuotaError):
        assert 0 < error.retry_after_seconds <= 86_400


def extracted(url: str, report: Report, **more: Any) -> list[Any] | None:
    """The rows after ingest's validation, or None after an error."""
    try:
        batches = list(connector(url, **more).extract(report, ACCOUNT, WINDOW))
    except ConnectorError as error:
        is_fit_to_show(error)
        return None
    table = table_of(report, batches)
    good, rejects = validate(report, table, WINDOW)
    assert good.num_rows + len(rejects) == table.num_rows
    assert all(reject.reason for reject in rejects)
    return list(table.to_pylist())


@pytest.mark.slow
@fuzzed(70)
@given(report=st.sampled_from(REPORTS), pages=answers, campaigns=answers)
def test_any_pages_are_rows_or_an_error(
    script: Script, url: str, report: Report, pages: list[Reply], campaigns: list[Reply]
) -> None:
    script.begin(pages=pages, campaigns=campaigns)
    extracted(url, report)
    assert len(script.asked) < 60


@pytest.mark.slow
@fuzzed(35)
@given(start=answers, node=answers, pages=answers)
def test_any_report_run_is_rows_or_an_error(
    script: Script, url: str, start: list[Reply], node: list[Reply], pages: list[Reply]
) -> None:
    campaigns = [Reply({"data": [{"id": "7", "status": "ACTIVE"}]})]
    script.begin(start=start, node=node, pages=pages, campaigns=campaigns)
    extracted(url, REPORTS[1], asynchronous=RUNS)
    assert {asked.method for asked in script.asked} == {"GET", "POST"}
    assert len(script.asked) < 400
    assert all(asked.path.startswith("/v26.0/") and ".." not in asked.path for asked in script.asked)
    assert all("method" not in asked.params for asked in script.asked), "an answer must not make a request a deletion"


@fuzzed(35)
@given(node=answers)
def test_any_account_is_an_account_or_a_failure(script: Script, url: str, node: list[Reply]) -> None:
    script.begin(pages=node, node=node)
    try:
        accounts, failures = connector(url).accounts(["1"])
    except ConnectorError as error:
        is_fit_to_show(error)
    else:
        assert len(accounts) + len(failures) == 1
        for account in accounts:
            (account.name + account.currency + account.time_zone).encode("utf-8")
        for failure in failures:
            is_fit_to_show(failure.error)
    assert len(script.asked) <= 8


@fuzzed(25)
@given(
    listed=st.lists(st.text(max_size=12) | st.sampled_from(["1/../me", "1?method=delete", "1#", "\ud800"]), max_size=3)
)
def test_any_account_id_is_refused_or_requested_at_its_own_address(script: Script, url: str, listed: list[str]) -> None:
    script.begin(pages=[Reply({"id": "act_1"})])
    accounts, failures = connector(url).accounts(listed)
    assert len(accounts) + len(failures) == len(set(listed))
    for failure in failures:
        is_fit_to_show(failure.error)
    assert {asked.path for asked in script.asked} == {f"/v26.0/act_{account.account_id}" for account in accounts}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_is_never_sent_to_another_address(script: Script, url: str, status: int) -> None:
    elsewhere = Reply(b"{}", status, {"location": "/v26.0/me"})
    script.begin(start=[elsewhere], pages=[elsewhere], campaigns=[elsewhere], node=[Reply(b"{}")])
    assert extracted(url, REPORTS[1], asynchronous=RUNS) is None
    assert {asked.path for asked in script.asked} == {"/v26.0/act_1/campaigns", "/v26.0/act_1/insights"}


@pytest.mark.parametrize("run_id", ["../me", "x?method=delete", "1/../../me", "#", "", " ", "%2e%2e", "x\ny"])
def test_a_report_run_without_a_valid_id_is_not_requested(script: Script, url: str, run_id: str) -> None:
    script.begin(start=[Reply({"report_run_id": run_id})], pages=[Reply({"data": []})], node=[Reply({})])
    assert extracted(url, REPORTS[1], asynchronous=RUNS) == []
    assert {asked.path for asked in script.asked} == {"/v26.0/act_1/campaigns", "/v26.0/act_1/insights"}
