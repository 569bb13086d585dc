"""Days that a mart shows with other facts about their account than the valid ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.ingest.account_registry import follow_clients_file, register_accounts
from mdp_dagster.ingest.shown_facts import days_with_other_facts
from mdp_dagster.ingest.tables import ACCOUNTS
from mdp_dagster.ingest.watched_reports import ShownBy
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow

NOW = datetime(2026, 6, 1, 5, tzinfo=timezone.utc)
DAYS = DateWindow.of_days("2026-01-01", "2026-01-10")
MART = ShownBy("shown", dataset="mdp_marts", facts_column="facts_digest")


def clients(*moves: str, lookback: list[dict[str, Any]] | None = None) -> Clients:
    """Account 1 belongs to client a until the first day, to b until the second one, then to a again, ..."""
    entries: dict[str, list[dict[str, Any]]] = {"a": [{"id": "1"}, {"id": "2"}], "b": []}
    for n, day in enumerate(moves):
        entries["ba"[n % 2]].append({"id": "1", "from": day})
    return Clients.model_validate(
        {
            "clients": [
                {"id": client, "name": client, "currency": "EUR", "accounts": {"scripted": refs},
                 "lookback_days": {"scripted": lookback or []}}
                for client, refs in entries.items()
            ]
        }
    )  # fmt: skip


class World:
    def __init__(self, folder: Path) -> None:
        self.warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", 60)
        self.warehouse.prepare([ACCOUNTS])
        accounts = [PlatformAccount("scripted", account, account, currency="EUR") for account in "12"]
        register_accounts(self.warehouse, clients(), accounts, "r", NOW)
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            connection.execute("create schema mdp_marts")
            connection.execute(
                "create table mdp_marts.shown (source text, account_id text, date date, facts_digest text)"
            )
        self.hours = 0
        self.build(DAYS)

    def change(self, clients: Clients) -> None:
        self.hours += 1
        follow_clients_file(self.warehouse, clients, "f", NOW + timedelta(hours=self.hours))

    def build(self, days: DateWindow) -> None:
        """Writes two rows of each account and day with the facts that are valid, as the models do."""
        rows = self.warehouse.query(f"select * from {ACCOUNTS.id} order by ingested_at").to_pylist()
        newest = {row["account_id"]: row["ingested_at"] for row in rows}
        valid = [row for row in rows if row["ingested_at"] == newest[row["account_id"]]]
        with duckdb.connect(str(self.warehouse.path)) as connection:
            connection.execute("delete from mdp_marts.shown where date between ? and ?", [days.start, days.last])
            for day in days.days():
                for account in newest:
                    of_account = [row for row in valid if row["account_id"] == account]
                    begun = [row for row in of_account if (row["valid_from"] or date.min) <= day]
                    digest = max(begun, key=lambda row: row["valid_from"] or date.min)["facts_digest"]
                    for _ in range(2):
                        connection.execute(
                            "insert into mdp_marts.shown values ('scripted', ?, ?, ?)", [account, day, digest]
                        )

    def differing(self) -> list[tuple[str, str, int]]:
        found = days_with_other_facts(self.warehouse, "scripted", MART, DAYS)
        return [(each.account_id, str(each.window), each.days) for each in found]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nothing_differs_until_a_fact_changes(world: World) -> None:
    assert world.differing() == []
    world.change(clients("2026-02-01"))
    assert world.differing() == [], "the days of the mart are as before"


def test_the_days_with_changed_facts_differ_and_no_others(world: World) -> None:
    world.change(clients("2026-01-04"))
    assert world.differing() == [("1", "2026-01-04...2026-01-10", 7)]
    world.build(DateWindow.of_days("2026-01-06", "2026-01-10"))
    assert world.differing() == [("1", "2026-01-04...2026-01-05", 2)]
    world.build(DAYS)
    assert world.differing() == []
    world.change(clients("2026-01-06"))
    assert world.differing() == [("1", "2026-01-04...2026-01-05", 2)]


def test_single_days_that_were_built_do_not_hide_the_others(world: World) -> None:
    world.change(clients("2026-01-01"))
    world.build(DateWindow.of_days("2026-01-05", "2026-01-05"))
    assert world.differing() == [("1", "2026-01-01...2026-01-10", 9)]


def test_several_ranges_of_days_are_separate(world: World) -> None:
    world.change(clients("2026-01-03", "2026-01-05", "2026-01-09"))
    assert world.differing() == [("1", "2026-01-03...2026-01-04", 2), ("1", "2026-01-09...2026-01-10", 2)]


def test_a_change_that_is_taken_back_leaves_nothing(world: World) -> None:
    world.change(clients("2026-01-04"))
    world.change(clients())
    assert world.differing() == []


def test_a_mart_of_an_earlier_version_is_built_again_when_facts_change(world: World) -> None:
    """It does not have the column. Its days were built with facts that nobody recorded."""
    with duckdb.connect(str(world.warehouse.path)) as connection:
        connection.execute("alter table mdp_marts.shown drop column facts_digest")
    assert world.differing() == []
    world.change(clients("2026-01-04"))
    expected = [("1", "2026-01-01...2026-01-03", 3), ("1", "2026-01-04...2026-01-10", 7)]
    assert world.differing() == expected
    with duckdb.connect(str(world.warehouse.path)) as connection:
        connection.execute("alter table mdp_marts.shown add column facts_digest text")
    assert world.differing() == expected
    world.build(DAYS)
    assert world.differing() == []


def test_a_registry_of_an_earlier_version_is_completed_by_the_next_run(tmp_path: Path) -> None:
    """Its rows have neither a first day nor a digest. They are valid from the beginning."""
    world = World(tmp_path)
    with duckdb.connect(str(world.warehouse.path)) as connection:
        connection.execute(f"alter table {ACCOUNTS.id} drop column valid_from")
        connection.execute(f"alter table {ACCOUNTS.id} drop column facts_digest")
    world.warehouse.prepare([ACCOUNTS])
    world.change(clients())
    rows = world.warehouse.query(f"select * from {ACCOUNTS.id} where account_id = '1' order by ingested_at").to_pylist()
    assert [(row["valid_from"], row["facts_digest"] is None) for row in rows] == [(None, True), (None, False)]
    assert world.differing() == [], "the mart's digests are those of the same facts"
    world.change(clients())
    assert world.warehouse.query(f"select 1 from {ACCOUNTS.id}").num_rows == 4


def test_a_warehouse_without_the_mart_has_nothing_to_build_again(world: World) -> None:
    world.change(clients("2026-01-04"))
    with duckdb.connect(str(world.warehouse.path)) as connection:
        connection.execute("drop table mdp_marts.shown")
    assert world.differing() == []


def test_an_emptied_day_differs_by_its_changes(world: World) -> None:
    """It has no row in the mart. Its changes are built with the facts of the day, too."""
    mart = replace(MART, changes_table="changes")
    with duckdb.connect(str(world.warehouse.path)) as connection:
        connection.execute("delete from mdp_marts.shown where date = '2026-01-04' and account_id = '1'")
    world.change(clients("2026-01-04"))
    found = days_with_other_facts(world.warehouse, "scripted", mart, DAYS)
    assert [str(each.window) for each in found] == ["2026-01-05...2026-01-10"], "the table with changes is missing"
    digest = found[0].shown
    with duckdb.connect(str(world.warehouse.path)) as connection:
        connection.execute("create table mdp_marts.changes as select * from mdp_marts.shown limit 0")
        # the second row is of an earlier version
        connection.execute(
            "insert into mdp_marts.changes values ('scripted', '1', '2026-01-04', ?), "
            "('scripted', '1', '2026-01-07', null)",
            [digest],
        )
    found = days_with_other_facts(world.warehouse, "scripted", mart, DAYS)
    assert [(str(each.window), each.days) for each in found] == [("2026-01-04...2026-01-10", 7)]
    world.build(DAYS)
    found = days_with_other_facts(world.warehouse, "scripted", mart, DAYS)
    assert [(str(each.window), each.days) for each in found] == [("2026-01-04...2026-01-04", 1)]


def test_the_days_after_a_changed_lookback_are_built_too(world: World) -> None:
    """Their completeness is measured on the days before them. It does not depend on the client."""
    world.change(clients(lookback=[{"value": 30}, {"value": 28, "from": "2026-01-03"}]))
    world.build(DAYS)
    world.change(clients("2026-01-01", "2026-01-03", lookback=[{"value": 30}, {"value": 28, "from": "2026-01-03"}]))
    [moved] = days_with_other_facts(world.warehouse, "scripted", MART, DAYS)
    assert (str(moved.window), str(moved.to_build(5, DAYS))) == ("2026-01-01...2026-01-02",) * 2
    world.change(clients(lookback=[{"value": 31}, {"value": 28, "from": "2026-01-03"}]))
    found = days_with_other_facts(world.warehouse, "scripted", MART, DAYS)
    assert {str(each.window) for each in found} == {"2026-01-01...2026-01-02"}
    assert {str(each.to_build(5, DAYS)) for each in found} == {"2026-01-01...2026-01-07"}
    assert {str(each.to_build(180, DAYS)) for each in found} == {"2026-01-01...2026-01-10"}
