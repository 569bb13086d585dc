"""Chaos notices each kind of problem, and its plans contain every kind of fault."""

from __future__ import annotations

import base64
import fcntl
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaos.api_faults import ACCOUNTS, EVERY_KIND, RECIPES
from chaos.comparison import expected_rows, mart_problems
from chaos.dagster_runs import dagster_runs, overlapped, without_end
from chaos.edits import change as change_world
from chaos.fault_counts import KILL_STAGES, OPTIONAL, REQUIRED, FaultCounts
from chaos.ledger_agreement import current_problems, lake_problems, raw_problems, unfinished_problems
from chaos.plan import plan_round
from chaos.plan_model import Edit
from chaos.processes import Running, kill_marked, leftover_processes
from chaos.raw_contents import changed_rows, raw_contents, rebuild_problems
from chaos.recovery import left_folders
from chaos.round_workspace import MARK, RoundWorkspace
from chaos.secret_leaks import leaks, secrets_of
from chaos.stages import Watch
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.warehouse.lock import FileLock
from mdp_dagster.window import DateWindow
from sandbox import Sandbox, World
from sandbox.platforms import platforms
from tests.support.limits import HANG_SECONDS

WORLD = World(seed=3, now=datetime(2026, 11, 20, 12, tzinfo=timezone.utc))
WINDOW = DateWindow.of_days("2026-11-17", "2026-11-18")
TABLE = report_table(REPORTS[1]).id


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    """A mart with the truth, and raw with one extract of one day: two rows."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.prepare([*SHARED_TABLES, *map(report_table, REPORTS)])
    truth = pa.Table.from_pylist(expected_rows(WORLD, WINDOW))
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.register("truth", truth)
        connection.execute("create schema mdp_marts; create table mdp_marts.mart_campaign__daily as from truth")
        for campaign in ("1", "2"):
            connection.execute(
                f"insert into {TABLE} (source, account_id, date, extract_run_id, {REPORTS[1].day_column}, campaign_id) "
                f"values ('{REPORTS[1].source}', 'a', date '2026-11-17', 'pull', '2026-11-17', '{campaign}')"
            )
        _ledger(connection, "pull", 2)
    return warehouse


def _ledger(connection: duckdb.DuckDBPyConnection, run: str, rows: int, uri: str = "/nowhere.parquet") -> None:
    connection.execute(
        "insert into mdp_raw.raw__extracts (source, report, account_id, date, extract_run_id, extracted_at, row_count, "
        "status, effective_run_id, landing_uri) values "
        f"('{REPORTS[1].source}', '{REPORTS[1].name}', 'a', date '2026-11-17', '{run}', now()::timestamp, {rows}, "
        f"'loaded', '{run}', '{uri}')"
    )


def change(warehouse: DuckDBWarehouse, sql: str) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(sql)


def test_a_mart_with_the_truth_has_no_problem(warehouse: DuckDBWarehouse) -> None:
    compared, problems = mart_problems(warehouse, WORLD, WINDOW)
    assert problems == []
    assert compared == len(WORLD.truth(None, WINDOW.start, WINDOW.end)) > 50


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("delete from {} where rowid = 4", "lost: "),
        ("insert into {} select * from {} where rowid = 4", "duplicated in the mart: "),
        ("update {} set spend = spend + 0.01 where rowid = 4", "stale: "),
        ("update {} set campaign_id = 'x' where rowid = 4", "not (or no longer) on the platform"),
        ("update {} set date = date '2026-11-01' where rowid = 4", "not (or no longer) on the platform"),
        ("update {} set client_id = 'x' where rowid = 4", "stale: "),
    ],
)
def test_a_lost_duplicated_or_stale_row_is_reported(warehouse: DuckDBWarehouse, sql: str, expected: str) -> None:
    change(warehouse, sql.replace("{}", "mdp_marts.mart_campaign__daily"))
    assert any(expected in problem for problem in mart_problems(warehouse, WORLD, WINDOW)[1])


def test_right_after_a_run_only_days_that_did_not_change_meanwhile_are_compared(
    warehouse: DuckDBWarehouse,
) -> None:
    gone = expected_rows(WORLD, WINDOW)[4]
    key = f"date = '{gone['date']}' and campaign_id = '{gone['campaign_id']}'"
    change(warehouse, f"delete from mdp_marts.mart_campaign__daily where {key}")
    change(warehouse, "insert into mdp_marts.mart_campaign__daily (date, campaign_id) values ('2026-11-01', 'x')")
    [problem] = mart_problems(warehouse, WORLD, WINDOW, apart=())[1]
    assert problem.startswith("lost: ")
    apart = {(gone["platform"], gone["account_id"], gone["date"])}
    assert mart_problems(warehouse, WORLD, WINDOW, apart)[1] == []


def test_an_empty_comparison_is_a_problem(warehouse: DuckDBWarehouse) -> None:
    assert mart_problems(warehouse, WORLD, DateWindow(date(2030, 1, 1), date(2030, 1, 2))) != (0, [])


def test_raw_that_agrees_with_its_ledger_has_no_problem(warehouse: DuckDBWarehouse) -> None:
    assert raw_problems(warehouse) == []
    assert current_problems(warehouse, WINDOW) == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"insert into {TABLE} select * from {TABLE} limit 1", "its ledger differ"),
        (f"delete from {TABLE} where campaign_id = '1'", "its ledger differ"),
        ("delete from mdp_raw.raw__extracts", "its ledger differ"),
        ("insert into mdp_raw.raw__extracts from mdp_raw.raw__extracts", "twice in the ledger"),
        (f"update {TABLE} set campaign_id = '1'", "current rows"),
    ],
)
def test_rows_that_are_not_in_the_ledger_are_reported(warehouse: DuckDBWarehouse, sql: str, expected: str) -> None:
    change(warehouse, sql)
    found = [*raw_problems(warehouse), *current_problems(warehouse, WINDOW)]
    assert any(expected in problem for problem in found)


@pytest.mark.parametrize(
    "sql",
    [
        f"delete from {TABLE} where campaign_id = '1'",
        f"update {TABLE} set campaign_id = '3' where campaign_id = '1'",
        f"insert into {TABLE} select * from {TABLE} limit 1",
        "update mdp_raw.raw__extracts set row_count = 3",
        "delete from mdp_raw.raw__extracts",
    ],
)
def test_lost_or_changed_raw_rows_are_reported(warehouse: DuckDBWarehouse, sql: str) -> None:
    before = raw_contents(warehouse)
    with duckdb.connect(str(warehouse.path)) as connection:
        _ledger(connection, "another", 0)
    assert list(changed_rows(before, raw_contents(warehouse), "raw")) == []
    change(warehouse, sql)
    assert len(list(changed_rows(before, raw_contents(warehouse), "raw"))) == 1


def test_a_lake_that_can_not_restore_raw_is_reported(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    [problem] = rebuild_problems(warehouse, lake, set())
    assert "holds no extract" in problem


def test_a_missing_landed_file_is_reported(warehouse: DuckDBWarehouse) -> None:
    assert "/nowhere.parquet" in next(lake_problems(warehouse))


def test_unfinished_files_that_no_kill_explains_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet.unfinished"
    file.touch()
    assert list(unfinished_problems(tmp_path, {file})) == []
    assert len(list(unfinished_problems(tmp_path, {tmp_path / "b.parquet.unfinished"}))) == 1


def test_folders_of_dbt_that_no_kill_explains_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "mdp-dbt-a"
    folder.mkdir()
    workspace = Mock(temporary=tmp_path)
    assert left_folders(Mock(workspace=workspace, left_by_kills={folder})) == []
    assert len(left_folders(Mock(workspace=workspace, left_by_kills={tmp_path / "mdp-dbt-b"}))) == 1


def test_a_leftover_process_is_reported_and_killed() -> None:
    mark = uuid4().hex
    command = [sys.executable, "-c", "import time; time.sleep(3600)"]
    with subprocess.Popen(command, env={**os.environ, MARK: mark}) as process:
        try:
            assert list(leftover_processes(mark, (), patience=0.2)) == [process.pid]
            assert leftover_processes(mark, [process.pid], patience=0) == {}
        finally:
            kill_marked(mark)
        assert process.wait(HANG_SECONDS) == -signal.SIGKILL


def test_unfinished_and_overlapping_runs_are_found(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    with closing(sqlite3.connect(tmp_path / "history" / "runs.db")) as runs:
        runs.execute("create table runs (run_id text, status text, start_time real, end_time real)")
        rows = [
            ("a", "SUCCESS", 1, 2),
            ("b", "STARTED", 3, None),
            ("c", "FAILURE", 4, 5),
            ("d", "NOT_STARTED", None, None),
        ]
        runs.executemany("insert into runs values (?, ?, ?, ?)", rows)
        runs.commit()
    assert without_end(tmp_path) == {"b", "d"}
    found = dagster_runs(tmp_path)
    assert overlapped([found["b"], found["c"]], now=6)
    assert not overlapped([found["a"], found["b"], found["d"]], now=6)
    assert not overlapped([found["b"], found["c"]], now=3.5)


def test_secrets_are_found_in_every_kind_of_file(tmp_path: Path) -> None:
    secret, text = {"token": b"s3cret-t0ken"}, "before s3cret-t0ken after" * 9
    (tmp_path / "log.txt").write_text(text)
    pq.write_table(pa.table({"column": [text] * 99}), tmp_path / "rows.parquet", compression="zstd")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(f"create table rows as select '{text}' || i as text from range(9999) as r(i)")
    with sqlite3.connect(tmp_path / "events.db") as events:
        events.execute("create table logs (event text)")
        events.execute("insert into logs values (?)", [text])
    events.close()
    (tmp_path / "clean.txt").write_text("nothing")
    found = {path.rpartition("/")[2] for path in leaks([tmp_path], secret)}
    assert found == {"log.txt", "rows.parquet", "warehouse.duckdb", "events.db"}


def test_encoded_secrets_are_found(tmp_path: Path) -> None:
    with Sandbox(WORLD, tmp_path / "sandbox") as sandbox:
        secrets = secrets_of(sandbox.env)
        token = sandbox.env["META_ACCESS_TOKEN"].encode()
    folder = tmp_path / "left"
    folder.mkdir()
    for before in (b"", b"a", b"ab"):
        (folder / f"{len(before)}.txt").write_bytes(base64.b64encode(before + token + b"and more"))
    (folder / "key.txt").write_bytes(b"-----BEGIN%20PRIVATE%20KEY-----")
    (folder / "assertion.txt").write_bytes(b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZHAifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ")
    (folder / "unreadable.duckdb").write_bytes(b"not a database")
    (folder / "clean.txt").write_bytes(base64.b64encode(b"nothing that anybody would have to hide"))
    found = leaks([folder], secrets)
    files = [path.name for path in sorted(folder.iterdir()) if any(str(path) in problem for problem in found)]
    assert files == ["0.txt", "1.txt", "2.txt", "assertion.txt", "key.txt", "unreadable.duckdb"]


def test_a_plan_depends_only_on_the_seed() -> None:
    assert [str(plan_round(5, n)) for n in range(4)] == [str(plan_round(5, n)) for n in range(4)]
    assert str(plan_round(5, 0)) != str(plan_round(6, 0))


@pytest.mark.parametrize("seed", range(20))
def test_two_rounds_plan_all_required_kinds_and_four_rounds_plan_every_kind(seed: int) -> None:
    rounds = [plan_round(seed, number).acts for number in range(4)]
    acts = [*rounds[0], *rounds[1]]
    assert {act.stage for act in acts if act.kind == "kill" and act.way == "warm"} == set(KILL_STAGES)
    assert {f"{act.way} killed" for act in acts if act.way != "warm"} >= set(REQUIRED["command"])
    assert {"disk", "waited", "refused", "overlap", "restated"} <= {act.kind for act in acts}
    assert {edit.kind for act in acts for edit in act.edits} >= set(REQUIRED["restated"])
    acts += [*rounds[2], *rounds[3]]
    assert {(f.recipe.platform, f.recipe.kind) for act in acts for f in act.faults} == set(EVERY_KIND)
    assert {f"{act.way} killed" for act in acts if act.way != "warm"} >= {"materialize killed"}
    assert {act.clock.kind for act in acts if act.clock} == set(OPTIONAL["clock"])


def test_every_kind_of_the_sandbox_has_a_recipe() -> None:
    assert {(recipe.platform, recipe.kind) for recipe in RECIPES} == set(EVERY_KIND)


def test_kinds_that_never_occurred_are_reported() -> None:
    counts = FaultCounts()
    assert {"kill: load", "api: any", "clock: any"} <= set(counts.required_and_missing())
    assert "clock: ahead" in counts.missing(())
    for group, kind in (("kill", "load"), ("api", "meta_ads slow"), ("clock", "ahead")):
        counts.count_hit(group, kind)
    assert {"kill: load", "api: any", "clock: any"}.isdisjoint(counts.required_and_missing())
    assert "clock: ahead" not in counts.missing(())


@pytest.mark.parametrize("platform", platforms())
def test_an_edit_counts_only_if_it_changes_the_day(platform: str) -> None:
    world, key = World(seed=3, now=WORLD.now), (platform, ACCOUNTS[platform][0], WINDOW.start)
    edit = Edit("restate", platform, key[1], 0, 1.0, 0)
    assert not change_world(world, edit, key)
    assert change_world(world, replace(edit, factor=2), key)
    assert change_world(world, replace(edit, kind="add"), key)  # one more campaign
    assert change_world(world, replace(edit, kind="empty"), key)
    assert not change_world(world, replace(edit, kind="empty"), key)
    assert change_world(world, replace(edit, kind="add"), key)  # filled again


def test_a_kill_counts_as_the_stage_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = RoundWorkspace(tmp_path, tmp_path)
    for folder in (workspace.lake, workspace.temporary):
        folder.mkdir()
    run = Running("me", tmp_path / "log", Mock(pid=os.getpid()), jumps=Mock())
    sandbox = Mock()
    sandbox.requests.count.return_value = 0
    watch = Watch(workspace, sandbox, random.Random(1))
    assert watch.stage(run) == "start"
    sandbox.requests.count.return_value = 3
    assert watch.stage(run) == "extract"
    (workspace.lake / "a.parquet").touch()
    assert watch.stage(run) == "landing"
    with FileLock(workspace.warehouse_file.with_name("warehouse.duckdb.lock"), 1).held():
        assert watch.stage(run) == "load"
        Path(f"{workspace.warehouse_file}.wal").write_text("committed")
        assert watch.stage(run) == "commit"
    assert watch.stage(run) == "between"
    # The lock does not lock, so no kill counts as a load.
    (workspace.lake / "b.parquet").touch()
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with FileLock(workspace.warehouse_file.with_name("warehouse.duckdb.lock"), 1).held():
        assert watch.stage(run) == "landing"
