"""What chaos looks at in the end: each thing that can be wrong is noticed."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime, timezone
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.platforms import REPORTS
from mdp_dagster.sandbox import World
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow
from tests.chaos.api_faults import EVERY_KIND, RECIPES
from tests.chaos.leaks import leaks
from tests.chaos.plan import plan_round
from tests.chaos.tally import EXPECTED, Tally
from tests.chaos.verify import lake_problems, mart_problems, raw_problems

WORLD = World(seed=3, now=datetime(2026, 11, 20, 12, tzinfo=timezone.utc))
WINDOW = DateWindow.of_days("2026-11-17", "2026-11-18")
TABLE = report_table(REPORTS[1]).id


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    """A mart with the truth, and raw with one pull of one day: two rows."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.prepare([*SHARED_TABLES, *map(report_table, REPORTS)])
    truth = pa.Table.from_pylist(WORLD.truth(None, WINDOW.start, WINDOW.end))
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
    ("sql", "said"),
    [
        ("delete from {} where rowid = 4", "lost: "),
        ("insert into {} select * from {} where rowid = 4", "doubled in the mart: "),
        ("update {} set spend = spend + 0.01 where rowid = 4", "stale: "),
        ("update {} set campaign_id = 'x' where rowid = 4", "not the platform's"),
    ],
)
def test_a_row_that_is_lost_doubled_or_stale_is_told(warehouse: DuckDBWarehouse, sql: str, said: str) -> None:
    change(warehouse, sql.replace("{}", "mdp_marts.mart_campaign__daily"))
    assert any(said in problem for problem in mart_problems(warehouse, WORLD, WINDOW)[1])


def test_an_empty_comparison_is_a_problem(warehouse: DuckDBWarehouse) -> None:
    assert mart_problems(warehouse, WORLD, DateWindow(date(2030, 1, 1), date(2030, 1, 2))) != (0, [])


def test_raw_that_agrees_with_its_ledger_has_no_problem(warehouse: DuckDBWarehouse) -> None:
    assert raw_problems(warehouse) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (f"insert into {TABLE} select * from {TABLE} limit 1", "its ledger differ"),
        (f"delete from {TABLE} where campaign_id = '1'", "its ledger differ"),
        ("delete from mdp_raw.raw__extracts", "its ledger differ"),
        ("insert into mdp_raw.raw__extracts from mdp_raw.raw__extracts", "twice in the ledger"),
        (f"update {TABLE} set campaign_id = '1'", "current rows"),
    ],
)
def test_raw_rows_that_the_ledger_does_not_know_are_told(warehouse: DuckDBWarehouse, sql: str, said: str) -> None:
    change(warehouse, sql)
    assert any(said in problem for problem in raw_problems(warehouse))


def test_a_landed_file_that_is_gone_is_told(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    assert "/nowhere.parquet" in lake_problems(warehouse, tmp_path, 0)[0]


def test_unfinished_files_that_no_kill_explains_are_told(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    change(warehouse, "delete from mdp_raw.raw__extracts")
    (tmp_path / "a.parquet.unfinished").touch()
    assert lake_problems(warehouse, tmp_path, 1) == []
    assert len(lake_problems(warehouse, tmp_path, 0)) == 1


def test_secrets_are_found_wherever_they_stand(tmp_path: Path) -> None:
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


def test_the_same_seed_gives_the_same_plan_and_another_another() -> None:
    assert [str(plan_round(5, n)) for n in range(4)] == [str(plan_round(5, n)) for n in range(4)]
    assert str(plan_round(5, 0)) != str(plan_round(6, 0))


@pytest.mark.parametrize("seed", range(20))
def test_four_rounds_plan_every_kind(seed: int) -> None:
    acts = [act for number in range(4) for act in plan_round(seed, number).acts]
    assert {(f.recipe.platform, f.recipe.kind) for act in acts for f in act.faults} == set(EVERY_KIND)
    assert {"disk", "waited", "refused", "overlap", "restated"} <= {act.kind for act in acts}
    assert {act.stage for act in acts if act.kind == "kill"} >= set(EXPECTED["kill"])
    assert {act.clock.kind for act in acts if act.clock} == set(EXPECTED["clock"])
    assert {edit.kind for act in acts for edit in act.edits} >= set(EXPECTED["restated"])


def test_every_kind_of_the_sandbox_has_a_recipe() -> None:
    assert {(recipe.platform, recipe.kind) for recipe in RECIPES} == set(EVERY_KIND)


def test_what_never_hit_is_told() -> None:
    tally = Tally()
    assert "kill: dbt" in tally.missing(())
    tally.met("kill", "dbt")
    assert "kill: dbt" not in tally.missing(())
