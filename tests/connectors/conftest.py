"""One sandbox for the session, and the production connectors against it. Only their waits are shortened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mdp_dagster.connectors.base import DataSourceConnector, PlatformAccount, Report
from mdp_dagster.connectors.google_ads import GoogleAdsConnector
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.connectors.meta_ads import MetaAdsConnector
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.window import DateWindow
from sandbox import Sandbox, World
from sandbox.certificates import server_certificate
from tests.support.clock import NOW
from tests.support.limits import HANG_SECONDS
from tests.support.settings_variables import forget_accounts

LAST_MONTH = DateWindow(NOW.date() - timedelta(days=31), NOW.date())

FAST = RetryPolicy(first_wait_seconds=0.005, longest_wait_seconds=0.02, longest_quota_wait_seconds=1.0)

GOOGLE_DIRECT = ("4123087751", "5182204466", "3390417725", "3390418836", "8864201357")
MANAGER, EAST, WEST, NEW_ZEALAND, CLOSED = "7001002000", "7001002010", "7001002020", "7001002030", "7001002099"
SUB_MANAGER = "7001002090"  # New Zealand's
META = (
    "301400000000101", "301400000000102", "301400000000201", "301400000000202", "301400000000301",
    "301400000000401", "301400000000402",
)  # fmt: skip


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox.

    gRPC reads its trusted authorities once per process, so every sandbox of a session has the same authority: the one
    in `sandbox/` below the session's temporary directory.
    """
    shared, own = (tmp_path_factory.getbasetemp() / name for name in ("sandbox", "sandbox-connectors"))
    shared.mkdir(exist_ok=True)
    server_certificate(shared)
    shutil.copytree(shared, own, ignore=lambda _, names: [n for n in names if not n.endswith(".pem")])
    shops = {"opened": NOW.date() - timedelta(days=170)}  # less history is faster
    options = {"google_ads": {"page_rows": 100}, "shopify": shops}
    with Sandbox(World(seed=11, now=NOW), own, options=options) as running:
        os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = running.env["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]
        yield running


@pytest.fixture(autouse=True)
def _as_new(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine's own, and a sandbox without faults and edits."""
    forget_accounts(monkeypatch)
    if "sandbox" in request.fixturenames:
        sandbox: Sandbox = request.getfixturevalue("sandbox")
        sandbox.faults.clear()
        sandbox.requests.clear()
        sandbox.forget_edits()
        sandbox.world.now = NOW


@pytest.fixture
def google_settings(sandbox: Sandbox) -> Callable[..., GoogleAdsSettings]:
    def settings(**changes: Any) -> GoogleAdsSettings:
        env = sandbox.env
        given = {
            "developer_token": env["GOOGLE_ADS_DEVELOPER_TOKEN"],
            "json_key_file_path": Path(env["GOOGLE_ADS_JSON_KEY_FILE_PATH"]),
            "endpoint": env["GOOGLE_ADS_ENDPOINT"],
        }
        return GoogleAdsSettings(_env_file=None, **(given | changes))  # type: ignore[call-arg]

    return settings


@pytest.fixture
def meta_settings(sandbox: Sandbox) -> Callable[..., MetaAdsSettings]:
    def settings(**changes: Any) -> MetaAdsSettings:
        env = sandbox.env
        given = {"access_token": env["META_ACCESS_TOKEN"], "graph_url": env["META_GRAPH_URL"]}
        return MetaAdsSettings(_env_file=None, **(given | changes))  # type: ignore[call-arg]

    return settings


@pytest.fixture
def google(google_settings: Callable[..., GoogleAdsSettings]) -> GoogleAdsConnector:
    return GoogleAdsConnector(google_settings(), retry=FAST, timeout_seconds=HANG_SECONDS)


@pytest.fixture
def meta(meta_settings: Callable[..., MetaAdsSettings]) -> MetaAdsConnector:
    return MetaAdsConnector(meta_settings(), retry=FAST, timeout_seconds=HANG_SECONDS, pause_seconds=0.01)


@pytest.fixture(params=["google_ads", "meta_ads"])
def connector(request: pytest.FixtureRequest) -> DataSourceConnector:
    """Each of the connectors in turn."""
    found: DataSourceConnector = request.getfixturevalue(request.param.removesuffix("_ads"))
    return found


def account_of(connector: DataSourceConnector, account_id: str | None = None) -> PlatformAccount:
    """An account of the platform, as the connector finds it."""
    listed = account_id or {"google_ads": GOOGLE_DIRECT, "meta_ads": META}[connector.source][0]
    accounts, failures = connector.accounts([listed])
    assert not failures
    return accounts[0]


def rows_of(
    connector: DataSourceConnector, report: str, account: PlatformAccount, window: DateWindow = LAST_MONTH
) -> list[dict[str, Any]]:
    declared: Report = connector.report(report)
    batches = list(connector.extract(declared, account, window))
    assert all(batch.schema == declared.schema for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything that is chained to it."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and one not in seen:
            seen.append(one)
            todo += [one.__cause__, one.__context__]
    return iter(seen)
