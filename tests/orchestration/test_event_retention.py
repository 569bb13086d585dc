"""Old runs are deleted from Dagster's storage, and nothing that Dagster shows of an asset, a day or a check changes."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from mdp_dagster.cli.dagster_home import dagster_instance, environment, prepare_dagster_home
from mdp_dagster.orchestration.event_retention import (
    DeletedRuns,
    delete_old_runs,
    event_retention_job,
    event_retention_schedule,
)
from mdp_dagster.orchestration.partitions import SINGLE_RUN, range_tags
from mdp_dagster.orchestration.services import services_resource
from mdp_dagster.settings import PROJECT_ROOT, Settings
from mdp_dagster.window import DateWindow
from tests.deploy.postgres import running_postgres

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-05-01")
MONTH, TWO_DAYS = DateWindow.of_days("2026-01-15", "2026-02-13"), DateWindow.of_days("2026-02-01", "2026-02-02")
ONE_DAY = DateWindow.of_days("2026-02-02", "2026-02-02")
RAW, MART, EVENTS = dg.AssetKey("raw"), dg.AssetKey("mart"), dg.AssetKey("late_days")
CHECK = dg.AssetCheckKey(RAW, "rows")


@dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN, check_specs=[dg.AssetCheckSpec("rows", asset="raw")])
def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    passed = "bad" not in context.run.tags
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=passed, check_name="rows")])


@dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN, deps=[raw])
def mart(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    if "fails" in context.run.tags:
        raise ValueError("no")
    return dg.MaterializeResult(metadata={"run": context.run.run_id})


@dg.asset
def late_days(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"run": context.run.run_id})


DEFINITIONS = dg.Definitions(
    assets=[raw, mart, late_days],
    jobs=[dg.define_asset_job("reload", [raw, mart]), dg.define_asset_job("probe", [late_days])],
    executor=dg.in_process_executor,
)


def reload(instance: dg.DagsterInstance, window: DateWindow, **tags: str) -> str:
    job = DEFINITIONS.resolve_job_def("reload")
    return job.execute_in_process(instance=instance, tags={**range_tags(window), **tags}, raise_on_error=False).run_id


def probe(instance: dg.DagsterInstance) -> str:
    return DEFINITIONS.resolve_job_def("probe").execute_in_process(instance=instance).run_id


def now() -> datetime:
    time.sleep(0.01)
    return datetime.now(timezone.utc)


def state(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Returns what people and sensors see of assets, days and checks."""
    keys = DAYS.get_partition_keys()
    newest = instance.fetch_materializations(EVENTS, limit=1).records
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])
    return {
        "days": {str(key): instance.get_status_by_partition(key, keys, DAYS) for key in (RAW, MART)},
        "newest run of a day": {
            str(key): {
                day: instance.get_latest_materialization_event(key) and ids
                for day, ids in instance.event_log_storage.get_latest_storage_id_by_partition(
                    key, dg.DagsterEventType.ASSET_MATERIALIZATION
                ).items()
            }
            for key in (RAW, MART)
        },
        "event": [record.run_id for record in newest],
        "assets": {
            str(record.asset_entry.asset_key): record.asset_entry.last_run_id
            for record in instance.get_asset_records([RAW, MART, EVENTS])
        },
        "check": [record.run_id for record in checks.values()],
        "verdict": next((record.status.name for record in checks.values()), None),
    }


@pytest.fixture
def postgres() -> Iterator[dict[str, str]]:
    with running_postgres() as address:
        yield address


@pytest.fixture(params=["MDP's SQLite", "Dagster's SQLite", pytest.param("PostgreSQL", marks=pytest.mark.slow)])
def any_instance(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", environment(home)["DAGSTER_EVENT_BATCH_SIZE"])
    if request.param == "MDP's SQLite":
        prepare_dagster_home(home)
    else:
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    if request.param == "PostgreSQL":
        for name, value in request.getfixturevalue("postgres").items():
            monkeypatch.setenv(name, value)
        deployed = yaml.safe_load((PROJECT_ROOT / "deploy" / "dagster.yaml").read_text())
        (home / "dagster.yaml").write_text(yaml.safe_dump({"storage": deployed["storage"]}))
    with dagster_instance(home) as opened:
        yield opened


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "500")
    prepare_dagster_home(tmp_path / "home")
    with dagster_instance(tmp_path / "home") as opened:
        yield opened


def test_superseded_runs_are_deleted_and_the_state_of_every_day_stays(any_instance: dg.DagsterInstance) -> None:
    instance = any_instance
    month = reload(instance, MONTH)
    reloads = [reload(instance, ONE_DAY), reload(instance, TWO_DAYS, fails="yes"), reload(instance, TWO_DAYS, bad="y")]
    probes = [probe(instance) for _ in range(2)]
    failed = reload(instance, ONE_DAY, fails="yes")
    before = state(instance)
    assert before["verdict"] == "SUCCEEDED" and before["days"][str(MART)][str(ONE_DAY.start)].name == "FAILED"

    assert delete_old_runs(instance, now()) == DeletedRuns(deleted=3, kept=4)
    assert state(instance) == before
    kept = {month, reloads[-1], probes[-1], failed}
    assert {run.run_id for run in instance.get_runs()} == kept
    assert not any(instance.all_logs(run_id) for run_id in (*reloads[:-1], probes[0]))
    with instance.event_log_storage.index_connection() as index:  # type: ignore[attr-defined]
        tables = ("event_logs", "asset_check_executions")
        found = {run for name in tables for [run] in index.exec_driver_sql(f"select distinct run_id from {name}")}
    assert found == kept


def test_the_newest_verdict_of_each_kind_stays(instance: dg.DagsterInstance) -> None:
    """A planned check of a failed run is newer than the check's last verdict."""
    reload(instance, ONE_DAY)
    verdict = reload(instance, ONE_DAY, bad="yes")
    history = instance.event_log_storage.get_asset_check_execution_history
    [record] = [found for found in history(CHECK, limit=9) if found.run_id == verdict and found.partition is None]
    assert record.status.name == "FAILED"
    reload(instance, ONE_DAY)
    delete_old_runs(instance, now())
    assert record in history(CHECK, limit=9)


def test_a_young_run_stays(instance: dg.DagsterInstance) -> None:
    probe(instance)
    limit = now()
    young = [probe(instance) for _ in range(2)]
    assert delete_old_runs(instance, limit) == DeletedRuns(deleted=1, kept=0)
    assert {run.run_id for run in instance.get_runs()} == {*young}
    assert delete_old_runs(instance, limit) == DeletedRuns(deleted=0, kept=0)


def test_a_run_that_is_not_finished_stays(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(DEFINITIONS.resolve_job_def("probe"), status=dg.DagsterRunStatus.STARTED)
    assert delete_old_runs(instance, now() + timedelta(days=1)) == DeletedRuns(0, 0)
    assert instance.has_run(run.run_id)


def test_an_interrupted_deletion_continues(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        reload(instance, ONE_DAY)
    before, limit = state(instance), now()
    delete_run = instance.run_storage.delete_run

    def killed(run_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(instance.run_storage, "delete_run", killed)
        delete_old_runs(instance, limit)
    assert instance.run_storage.delete_run == delete_run
    assert state(instance) == before
    assert delete_old_runs(instance, limit).deleted == 2
    assert state(instance) == before
    assert len(instance.get_runs()) == 1


def test_the_space_of_deleted_runs_is_free(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """One run stays after each deletion, so the storage does not grow."""
    runs = tmp_path / "home" / "history" / "runs"
    pages = []
    for _ in range(3):
        kept = [reload(instance, MONTH) for _ in range(2)][-1]
        delete_old_runs(instance, now())
        assert {file.stem for file in runs.glob("*.db")} == {"index", kept}
        with closing(sqlite3.connect(runs / "index.db")) as index:
            [[total], [free]] = (
                index.execute(f"pragma {name}").fetchone() for name in ("page_count", "freelist_count")
            )
        pages.append(total - free)
    assert pages[2] <= pages[1] * 1.05, pages


def test_the_job_deletes_by_the_setting_and_0_keeps_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    job = event_retention_job()
    resources = {"services": services_resource([])}
    retention = dg.Definitions(jobs=[job], resources=resources, executor=dg.in_process_executor).resolve_job_def(
        job.name
    )
    with dg.DagsterInstance.ephemeral() as instance:
        old = [probe(instance) for _ in range(2)]
        in_a_hundred_days = datetime.now(timezone.utc) + timedelta(days=100)

        class LaterDatetime(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return in_a_hundred_days

        monkeypatch.setattr("mdp_dagster.orchestration.event_retention.datetime", LaterDatetime)
        monkeypatch.setenv("MDP_EVENT_RETENTION_DAYS", "0")
        assert retention.execute_in_process(instance=instance).success
        assert all(instance.has_run(run_id) for run_id in old)
        monkeypatch.setenv("MDP_EVENT_RETENTION_DAYS", "120")
        assert retention.execute_in_process(instance=instance).success
        assert all(instance.has_run(run_id) for run_id in old)
        monkeypatch.delenv("MDP_EVENT_RETENTION_DAYS")
        assert retention.execute_in_process(instance=instance).success
        assert [instance.has_run(run_id) for run_id in old] == [False, True]


def test_retention_is_on_by_default() -> None:
    schedule = event_retention_schedule(Settings(), event_retention_job())
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert Settings().event_retention_days == 90
