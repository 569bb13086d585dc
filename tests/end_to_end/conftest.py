"""The whole of MDP at small size: the sandbox's servers, a temporary DuckDB, real Dagster runs, real dbt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mdp_dagster.definitions import build_definitions, services
from mdp_dagster.defs.ads.jobs import JOB_NAME, PROBE_JOB_NAME
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.settings import load_settings
from mdp_dagster.window import DateWindow
from sandbox import Sandbox, World
from tests.support.built_once import built_once
from tests.support.clock import NOW, TODAY
from tests.support.settings_variables import forget_accounts

_COMPARED = """
    select date, platform, account_id, account_name, campaign_id, campaign_name, currency,
        impressions, clicks, clicks_all, link_clicks, spend, conversions, conversion_value,
        conversions_by_conversion_date, conversion_value_by_conversion_date, conversion_dating
    from mdp_marts.mart_campaign__daily
    where date >= $start and date < $end
"""

Row = dict[str, Any]
Key = tuple[date, str, str]


def days_ago(first: int, last: int = 0) -> DateWindow:
    """The window from ``first`` days ago to ``last`` days ago, both included."""
    return DateWindow.of_days(TODAY - timedelta(days=first), TODAY - timedelta(days=last))


TEN_DAYS = days_ago(9)


class Platform:
    """MDP against a sandbox, and the truth that it must show."""

    def __init__(self, sandbox: Sandbox, folder: Path, instance: dg.DagsterInstance) -> None:
        self.sandbox = sandbox
        self.world = sandbox.world
        self.folder = folder
        self.instance = instance
        self.warehouse = services(load_settings()).warehouse
        self.definitions = build_definitions(load_settings())
        self.cursors: dict[str, str | None] = {}
        self.skipped = ""

    def run(self, window: DateWindow, select: str | None = None, succeeds: bool = True) -> dg.ExecuteInProcessResult:
        """The main job over the window, in one run; ``select`` narrows it to some assets."""
        job = self.definitions.resolve_job_def(JOB_NAME)
        keys = dg.AssetSelection.from_string(select).resolve(self.definitions.resolve_asset_graph()) if select else None
        result = self._execute(job, tags=range_tags(window), asset_selection=sorted(keys) if keys else None)
        assert result.success == succeeds, self.errors(result)
        return result

    def probe(self, succeeds: bool = True) -> dg.ExecuteInProcessResult:
        """The hourly probe of the account totals."""
        job = self.definitions.resolve_job_def(PROBE_JOB_NAME)
        result = self._execute(job)
        assert result.success == succeeds, self.errors(result)
        return result

    def tick(self, source: str) -> list[dg.RunRequest]:
        """The current requests of the source's sensor."""
        sensor = self.definitions.resolve_sensor_def(f"{source}_late_data_sensor")
        context = dg.build_sensor_context(self.instance, cursor=self.cursors.get(source))
        answer = sensor.evaluate_tick(context)
        self.cursors[source] = answer.cursor
        self.skipped = answer.skip_message or ""
        return list(answer.run_requests or [])

    def reload(self, source: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Run the request of a sensor."""
        job = self.definitions.resolve_job_def(f"{source}_late_data")
        result = self._execute(job, tags=request.tags, run_config=request.run_config)
        assert result.success, self.errors(result)
        return result

    def _execute(self, job: dg.JobDefinition, **arguments: Any) -> dg.ExecuteInProcessResult:
        with self._open_file():
            return job.execute_in_process(instance=self.instance, raise_on_error=False, **arguments)

    @contextmanager
    def _open_file(self) -> Iterator[None]:
        """Keep DuckDB's file open during a run, so that the run's hundred short connections cost a third less.

        Only a run in this process can use the file meanwhile. dbt as a command is another process.
        """
        with ExitStack() as open_files:
            path = getattr(self.warehouse, "path", None)
            if path and path.exists() and os.environ.get("MDP_DBT_EXECUTION") != "cli":
                with suppress(duckdb.Error):  # of a damaged file: the run names the error
                    open_files.enter_context(duckdb.connect(str(path)))
            yield

    @staticmethod
    def errors(result: dg.ExecuteInProcessResult) -> str:
        """The errors with all causes."""
        said = []
        for event in result.all_events:
            if event.is_failure:
                error = getattr(event.event_specific_data, "error", None)
                while error:
                    said.append(error.message)
                    error = error.cause
        return "\n".join(said)

    def a_day_with_rows(self, account_id: str, first: int = 2) -> date:
        """The newest day, from ``first`` days ago back, that has rows of the account: the world has outages."""
        for n in range(first, first + 20):
            if any(row["account_id"] == account_id for row in self.truth(days_ago(n, n)).values()):
                return TODAY - timedelta(days=n)
        raise AssertionError(f"account {account_id} has no rows")

    def checks(self, result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], Any]:
        evaluations = result.get_asset_check_evaluations()
        return {(e.asset_key.to_user_string(), e.check_name): e for e in evaluations}

    def mart(self, window: DateWindow) -> dict[Key, Row]:
        rows = self.warehouse.query(_COMPARED, {"start": window.start, "end": window.end}).to_pylist()
        keyed = {(row["date"], row["platform"], row["campaign_id"]): row for row in rows}
        assert len(keyed) == len(rows), "the mart's grain is not unique"
        return keyed

    def truth(self, window: DateWindow, without: tuple[str, ...] = ()) -> dict[Key, Row]:
        rows = [row for row in self.world.truth(None, window.start, window.end) if row["account_id"] not in without]
        return {(row["date"], row["platform"], row["campaign_id"]): row for row in rows}

    def assert_mart_is_true(self, window: DateWindow) -> None:
        """Assert that the mart has exactly the platforms' rows."""
        mart, truth = self.mart(window), self.truth(window)
        assert truth, "a window without any row would prove nothing"
        assert mart.keys() == truth.keys()
        for key, expected in truth.items():
            assert {name: mart[key][name] for name in expected} == expected

    def shows_truth(self, window: DateWindow) -> bool:
        mart, truth = self.mart(window), self.truth(window)
        return mart.keys() == truth.keys() and all(truth[key].items() <= mart[key].items() for key in truth)

    def count(self, table: str) -> int:
        counted: int = self.warehouse.query(f"select count(*) as n from {table}").to_pylist()[0]["n"]
        return counted


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    # gRPC reads its trusted authorities once per process: all tests share one state folder
    state = tmp_path_factory.getbasetemp() / "sandbox"
    with Sandbox(World(seed=11, now=NOW), state) as sandbox:
        yield sandbox


def enter(folder: Path, servers: Sandbox, patch: pytest.MonkeyPatch) -> None:
    """Makes an environment in which MDP has its own folders and reaches the sandbox, and resets the sandbox."""
    servers.faults.clear()
    servers.world.forget_edits()
    servers.world.now = NOW
    forget_accounts(patch)
    for name, value in servers.env.items():
        patch.setenv(name, value)
    patch.setenv("MDP_ENV_FILE", os.devnull)
    patch.setenv("MDP_DUCKDB_PATH", str(folder / "warehouse.duckdb"))
    patch.setenv("MDP_LAKE_URI", str(folder / "lake"))
    patch.setenv("MDP_RELOAD_CADENCE", "0+=1h")  # a test restates a day that it has just loaded


@pytest.fixture
def environment(servers: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which MDP has its own folders and reaches the sandbox. Gives the folder."""
    enter(tmp_path, servers, monkeypatch)
    return tmp_path


@pytest.fixture
def platform(servers: Sandbox, environment: Path) -> Iterator[Platform]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(servers, environment, instance)


@pytest.fixture(scope="session")
def ten_days(servers: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse and a lake that have the last ten days. It is filled once, and tests copy it."""

    def load(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
            enter(folder, servers, patch)
            Platform(servers, folder, instance).run(TEN_DAYS)

    return built_once(tmp_path_factory, "ten_days", load)


@pytest.fixture
def loaded(ten_days: Path, platform: Platform) -> Platform:
    """The last ten days were loaded, by a Dagster instance that is gone.

    The ledger names the files of the lake that was copied.
    """
    shutil.copytree(ten_days, platform.folder, dirs_exist_ok=True)
    return platform
