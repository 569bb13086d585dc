"""Dagster's events are the same whether they are stored together or one by one."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._cli.utils import get_possibly_temporary_instance_for_cli

from mdp_dagster.cli.dagster_home import dagster_instance, environment, prepare_dagster_home
from mdp_dagster.orchestration.partitions import SINGLE_RUN, range_tags
from mdp_dagster.settings import PROJECT_ROOT
from mdp_dagster.window import DateWindow
from tests.support.limits import HANG_SECONDS

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-05-01")
WINDOW, TWO_DAYS = DateWindow.of_days("2026-01-15", "2026-02-13"), DateWindow.of_days("2026-02-01", "2026-02-02")
RAW, MART = dg.AssetKey("raw"), dg.AssetKey("mart")


@dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN, check_specs=[dg.AssetCheckSpec("rows", asset="raw")])
def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    checked = [dg.AssetCheckResult(passed=True, check_name="rows")]
    return dg.MaterializeResult(metadata={"days": len(context.partition_keys)}, check_results=checked)


@dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN, deps=[raw])
def mart(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    if context.run.tags.get("fails"):
        raise ValueError("no")
    return dg.MaterializeResult()


JOB = dg.Definitions(
    assets=[raw, mart], jobs=[dg.define_asset_job("all")], executor=dg.in_process_executor
).resolve_job_def("all")


def run(instance: dg.DagsterInstance, window: DateWindow, **tags: str) -> str:
    return JOB.execute_in_process(instance=instance, tags={**range_tags(window), **tags}, raise_on_error=False).run_id


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", environment(tmp_path)["DAGSTER_EVENT_BATCH_SIZE"])
    prepare_dagster_home(tmp_path / "home")
    return tmp_path / "home"


def check_rows(instance: dg.DagsterInstance) -> list[tuple[Any, ...]]:
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        found = connection.exec_driver_sql(
            "select check_name, partition, execution_status, length(evaluation_event) > 100, "
            "evaluation_event_storage_id from asset_check_executions order by id"
        )
        return [tuple(row) for row in found]


def seen(instance: dg.DagsterInstance) -> dict[str, Any]:
    """The state of an instance that people and sensors see."""
    runs = instance.get_runs()
    records = {str(key): instance.get_asset_records([key])[0].asset_entry.last_materialization for key in (RAW, MART)}
    return {
        "days": {str(key): sorted(instance.get_materialized_partitions(key)) for key in (RAW, MART)},
        "failed": {
            str(key): sorted(
                day
                for day, status in instance.get_status_by_partition(key, DAYS.get_partition_keys(), DAYS).items()
                if status and status.name == "FAILED"
            )
            for key in (RAW, MART)
        },
        "newest": {key: found and found.asset_materialization.partition for key, found in records.items()},
        "newest first": [r.partition_key for r in instance.fetch_materializations(RAW, limit=200).records],
        "planned": [
            sorted(
                str(record.event_log_entry.dagster_event.partition)
                for record in instance.get_records_for_run(
                    run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, limit=1000
                ).records
            )
            for run in runs
        ],
        "told": [
            sorted(
                (str(e.dagster_event.event_type), str(e.dagster_event.asset_key), str(e.dagster_event.partition))
                for e in instance.all_logs(run.run_id)
                if e.dagster_event and e.dagster_event.asset_key
            )
            for run in runs
        ],
        "check rows": check_rows(instance),
        "checks": [
            str(r.status)
            for r in instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(RAW, "rows"), limit=10
            )
        ],
    }


def live(instance: dg.DagsterInstance) -> None:
    run(instance, WINDOW)
    run(instance, TWO_DAYS)
    run(instance, TWO_DAYS, fails="yes")


def test_events_are_the_same_as_in_dagsters_own_storage(home: Path, tmp_path: Path) -> None:
    (tmp_path / "stock").mkdir()
    with dagster_instance(home) as ours, dg.DagsterInstance.local_temp(str(tmp_path / "stock")) as stock:
        assert type(ours.event_log_storage).__name__ == "QuickSqliteEventLogStorage"
        live(ours)
        live(stock)
        found = seen(ours)
        assert found == seen(stock)
    assert found["days"] == {str(RAW): [*map(str, WINDOW.days())], str(MART): [*map(str, WINDOW.days())]}
    assert found["failed"] == {str(RAW): [], str(MART): [*map(str, TWO_DAYS.days())]}


def test_dagsters_own_storage_can_read_the_files_of_ours(home: Path) -> None:
    """The files have the same format: the history stays if the class is removed from dagster.yaml."""
    with dagster_instance(home) as ours:
        live(ours)
        found = seen(ours)
    (home / "dagster.yaml").unlink()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dagster_instance(home) as stock:
        assert type(stock.event_log_storage).__name__ == "SqliteEventLogStorage"
        assert seen(stock) == found


def test_many_runs_are_read_with_few_open_files_and_can_be_wiped(home: Path) -> None:
    with dagster_instance(home) as ours:
        runs = [run(ours, TWO_DAYS) for _ in range(20)]
        assert all(ours.all_logs(run_id)[-1].dagster_event.is_job_success for run_id in runs)
        open_files = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert 0 < len({name for name in open_files if name.endswith(".db") and str(home) in name}) <= 18
        ours.wipe()
        assert ours.get_materialized_partitions(RAW) == set()
        run(ours, TWO_DAYS)
        assert len(ours.get_materialized_partitions(RAW)) == 2


def test_a_watcher_of_a_run_gets_its_events_at_once(home: Path) -> None:
    """The run page watches like this, in another process than the run."""
    told: list[str] = []
    with dagster_instance(home) as writes, dagster_instance(home) as watches:
        run(writes, TWO_DAYS)  # both have the index open
        started = JOB.execute_in_process(instance=writes, tags=range_tags(TWO_DAYS), run_id=str(uuid4()))
        watches.all_logs(started.run_id)
        watches.watch_event_logs(started.run_id, None, lambda entry, _: told.append(entry.message))
        writes.report_engine_event("something new", writes.get_run_by_id(started.run_id))
        deadline = time.monotonic() + HANG_SECONDS
        while "something new" not in told and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "something new" in told


def test_a_home_that_was_deleted_and_created_again_is_used(home: Path) -> None:
    """This happens to `make dev` if somebody cleans up and starts the demo again."""
    with dagster_instance(home) as stays:
        run(stays, WINDOW)
        shutil.rmtree(home / "history")
        with dagster_instance(home) as new:
            run(new, TWO_DAYS)
        assert len(stays.get_materialized_partitions(RAW)) == 2
        assert run(stays, WINDOW) and len(stays.get_materialized_partitions(RAW)) == len(WINDOW)


def test_a_batch_that_fails_is_stored_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster then stores its events one by one."""
    with dagster_instance(home) as ours:
        storage = ours.event_log_storage
        fails = [True]

        def breaks(*arguments: Any) -> None:
            if fails.pop():
                raise OSError("disk full")

        monkeypatch.setattr(storage, "_store_asset_event_tags", breaks)
        fails += [False] * 1000
        fails.append(True)
        run_id = run(ours, TWO_DAYS)
        planned = ours.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    assert len(planned) == 4


def test_a_plain_dagster_command_in_the_repository_needs_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """It creates a temporary instance from the dagster.yaml of the current folder."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(PROJECT_ROOT)
    with get_possibly_temporary_instance_for_cli() as instance:
        assert run(instance, TWO_DAYS) and len(instance.get_materialized_partitions(RAW)) == 2


def test_your_own_dagster_yaml_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    prepare_dagster_home(tmp_path)
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_a_link_from_an_earlier_version_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").symlink_to(PROJECT_ROOT / "dagster.yaml")
    prepare_dagster_home(tmp_path)
    assert "QuickSqliteEventLogStorage" in (tmp_path / "dagster.yaml").read_text()
    assert "QuickSqliteEventLogStorage" not in (PROJECT_ROOT / "dagster.yaml").read_text()


def test_a_range_of_days_is_a_few_transactions(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty days of two assets are 120 events, and no longer twice as many transactions."""
    commits: dict[int, int] = {}
    connect = sqlite3.connect

    def counted(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **more)
        connection.set_trace_callback(
            lambda sql: commits.__setitem__(0, commits.get(0, 0) + sql.upper().startswith("COMMIT"))
        )
        return connection

    with dagster_instance(home) as ours:
        run(ours, TWO_DAYS)
        monkeypatch.setattr(sqlite3, "connect", counted)
        monkeypatch.setattr(sqlite3.dbapi2, "connect", counted)
        run(ours, TWO_DAYS)
        two_days, commits[0] = commits[0], 0
        run(ours, WINDOW)
    assert two_days > 0
    assert commits[0] < two_days + 20
