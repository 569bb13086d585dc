"""A backfill is one command with progress. Until it succeeds, repeating it extracts only the missing days."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from mdp_dagster.__main__ import main
from mdp_dagster.cli import workspace
from mdp_dagster.cli.backfill_runs import Backfill, BackfillRunning, locked_backfill, unfinished_run
from mdp_dagster.cli.dagster_home import dagster_instance, prepare_dagster_home
from mdp_dagster.cli.dagster_home import environment as environment_of
from mdp_dagster.cli.job_run import SelectionError, selected_assets
from mdp_dagster.definitions import build_definitions
from mdp_dagster.defs.ads.jobs import JOB_NAME
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.settings import load_settings
from sandbox import Sandbox
from tests.end_to_end.conftest import Platform, days_ago
from tests.support.limits import HANG_SECONDS

ROOT = Path(__file__).parents[2]
GOOGLE = "4123087751"
RAW = "raw_google_ads__campaign_daily"
SELECT = f"{RAW},stg_google_ads__campaign_daily,int_campaign__daily_unified,mart_campaign__daily"
TWO_CHUNKS = days_ago(100, 1)


@pytest.fixture
def one_account(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clients file with one account, and a home for Dagster."""
    clients = environment / "clients.yaml"
    clients.write_text(
        "clients:\n  - id: nordlicht\n    name: Nordlicht\n    reporting_currency: EUR\n"
        f"    accounts: {{google_ads: ['{GOOGLE}']}}\n"
    )
    monkeypatch.setenv("MDP_CLIENTS_FILE", str(clients))
    monkeypatch.setenv("DAGSTER_HOME", str(environment / "dagster"))
    return environment


@pytest.fixture
def google(servers: Sandbox, one_account: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    servers.requests.clear()
    home = one_account / "local"
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", environment_of(home)["DAGSTER_EVENT_BATCH_SIZE"])
    prepare_dagster_home(home)
    with dagster_instance(home) as instance:
        yield Platform(servers, one_account, instance)


def backfill(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mdp_dagster", "backfill", *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that it can be killed with all its processes
    )


def queries(platform: Platform) -> list[str]:
    """The days in the requests to Google. Each chunk is one query."""
    asked = [str(request.get("query")) for request in platform.sandbox.requests.requests()]
    return [query.partition("BETWEEN ")[2].partition(" ORDER")[0] for query in asked if "segments.date" in query]


def test_a_backfill_that_is_started_again_after_a_kill_extracts_only_the_missing_days(google: Platform) -> None:
    arguments = [str(TWO_CHUNKS.start), str(TWO_CHUNKS.last), "--select", SELECT]
    google.sandbox.faults.add("google_ads", "slow", method="search_stream", after=2, times=1, delay_s=HANG_SECONDS)
    first = backfill(*arguments)
    assert first.stdout is not None
    said = ""
    for line in first.stdout:
        said += line
        if "chunk 1 of 2" in line:
            break
    assert f"{RAW}: chunk 1 of 2 ({TWO_CHUNKS.start}" in said, said

    second = backfill(*arguments)
    refused, _ = second.communicate(timeout=HANG_SECONDS)
    assert second.returncode == 1
    assert f"already running, started by process {first.pid}" in refused and "→" in refused

    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    google.sandbox.faults.clear()  # ends the request of the killed process
    assert len(queries(google)) == 2
    google.sandbox.requests.clear()
    third = backfill(*arguments)
    output, _ = third.communicate(timeout=HANG_SECONDS)
    assert third.returncode == 0, output
    assert "Continuing run" in output and "Done in" in output
    assert "chunk 1 of 2" in output and "0 accounts, 0 rows, 0 restated days; 1 accounts were committed" in output
    assert f"✓ {RAW}" in output and "✓ ads_dbt_models" in output
    [missing] = queries(google)
    assert f"AND '{TWO_CHUNKS.last}'" in missing
    mart, truth = google.mart(TWO_CHUNKS), google.truth(TWO_CHUNKS)
    ours = {key: row for key, row in truth.items() if row["account_id"] == GOOGLE}
    assert mart.keys() == ours.keys()
    assert all(ours[key].items() <= mart[key].items() for key in ours)

    home = google.folder / "dagster"
    with dagster_instance(home) as instance:
        done, killed = instance.get_runs()
        assert (killed.status, done.status) == (DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS)
        assert done.tags[run_tags.CONTINUES] == killed.run_id
        # the UI needs this to execute the run again
        assert done.remote_job_origin and done.remote_job_origin.location_name == "mdp"
        # once the backfill has succeeded, the same command starts a new one
        assert unfinished_run(instance, Backfill(TWO_CHUNKS, SELECT)) is None


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        ("2026-11-03", "2026-11-01", "ends before it begins"),
        ("2026-11-31", "2026-12-01", "two days, for example"),
        ("2019-01-01", "2026-11-01", "MDP_START_DATE=2019-01-01"),
        ("2024-01-01", "2999-01-01", "is in the future"),
    ],
)
def test_the_error_for_impossible_days_names_them_and_has_a_remedy(
    one_account: Path, capsys: pytest.CaptureFixture[str], first: str, last: str, says: str
) -> None:
    assert main(["backfill", first, last]) == 1
    error = capsys.readouterr().err
    assert says in error and "→" in error


@pytest.mark.parametrize("select", ["kind:nothing", "not (", 'group:"ads_late_data"'])
def test_the_error_for_an_empty_selection_has_a_remedy(google: Platform, select: str) -> None:
    with pytest.raises(SelectionError, match=f"--select {re.escape(repr(select))}.*→"):
        selected_assets(select, google.definitions.resolve_asset_graph(), ads_daily())


def ads_daily() -> dg.JobDefinition:
    return build_definitions(load_settings()).resolve_job_def(JOB_NAME)


def test_a_failed_run_that_is_executed_again_from_its_failure_extracts_only_the_missing_days(google: Platform) -> None:
    """The UI and Dagster's own retries do the same. Afterwards a successful run is executed again."""
    google.sandbox.faults.add("google_ads", "bad_developer_token", method="search_stream", after=2, times=1)
    job = dg.reconstructable(ads_daily)
    with dg.execute_job(
        job, google.instance, tags=range_tags(TWO_CHUNKS), asset_selection=[dg.AssetKey(RAW)]
    ) as failed:
        assert not failed.success
    assert len(queries(google)) == 2

    def again(run_id: str, from_failure: bool) -> str:
        google.sandbox.requests.clear()
        options = (
            dg.ReexecutionOptions.from_failure(run_id, google.instance)
            if from_failure
            else dg.ReexecutionOptions(run_id)
        )
        with dg.execute_job(job, google.instance, tags=range_tags(TWO_CHUNKS), reexecution_options=options) as result:
            assert result.success
        return result.run_id

    second = again(failed.run_id, from_failure=True)
    [missing] = queries(google)
    assert f"AND '{TWO_CHUNKS.last}'" in missing
    again(second, from_failure=False)
    assert len(queries(google)) == 2


def test_a_run_in_progress_without_a_lock_is_dead_or_belongs_to_the_daemon(tmp_path: Path) -> None:
    name = Backfill(days_ago(3), "*")

    @dg.job
    def nothing() -> None: ...

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:

        def add(status: DagsterRunStatus, tags: dict[str, str], parent: str | None = None) -> str:
            run = instance.create_run_for_job(
                nothing, status=status, tags=tags, parent_run_id=parent, root_run_id=parent
            )
            return run.run_id

        add(DagsterRunStatus.STARTED, Backfill(days_ago(4), "*").tags(None))
        assert unfinished_run(instance, name) is None
        dead = add(DagsterRunStatus.STARTED, name.tags(None))
        assert unfinished_run(instance, name) == dead
        run = instance.get_run_by_id(dead)
        assert run and run.status == DagsterRunStatus.FAILURE
        # executed again in the UI it has the same tags, but the daemon runs it without the backfill's lock
        add(DagsterRunStatus.STARTED, name.tags(None), parent=dead)
        with pytest.raises(BackfillRunning, match="from the UI.*→"):
            unfinished_run(instance, name)
        add(DagsterRunStatus.SUCCESS, name.tags(None))
        assert unfinished_run(instance, name) is None

    with (
        locked_backfill(tmp_path, name),
        pytest.raises(BackfillRunning, match=f"{os.getpid()}.*→"),
        locked_backfill(tmp_path, name),
    ):
        pass
    with locked_backfill(tmp_path, name), locked_backfill(tmp_path, Backfill(days_ago(3), "kind:dbt")):
        pass


def test_without_your_own_settings_a_backfill_uses_the_demos_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "PROJECT_ROOT", tmp_path)  # a folder without a .env
    for name in ("MDP_ENV_FILE", "MDP_DUCKDB_PATH", "MDP_LAKE_URI", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    chosen = workspace.choose_workspace()
    assert isinstance(chosen, workspace.Workspace)
    assert chosen.settings().duckdb_path == chosen.warehouse
    monkeypatch.setenv("MDP_DUCKDB_PATH", str(tmp_path / "own.duckdb"))
    assert isinstance(workspace.choose_workspace(), workspace.UserWorkspace)
    assert workspace.choose_workspace().settings().duckdb_path == tmp_path / "own.duckdb"
    assert workspace.choose_workspace(tmp_path).settings().duckdb_path == tmp_path / "warehouse.duckdb"
    monkeypatch.delenv("MDP_DUCKDB_PATH")
    (tmp_path / ".env").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    assert workspace.choose_workspace() == workspace.UserWorkspace(tmp_path, tmp_path / "home")
