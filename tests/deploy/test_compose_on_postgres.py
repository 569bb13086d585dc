"""A small production: the compose file's services, Dagster's storage in a real PostgreSQL, and the sandbox."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import dagster as dg
import psycopg2
import pytest
import requests

from mdp_dagster.defs.ads.jobs import JOB_NAME
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow
from sandbox import World
from tests.support.limits import HANG_SECONDS

from .conftest import SandboxProcess
from .postgres import PASSWORD
from .services import Services

_ASSETS = "{ assetNodes { assetKey { path } jobNames isMaterializable } }"
_LAUNCH = """
mutation($asked: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $asked) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
MART = dg.AssetKey("mart_campaign__daily")


def test_a_backfill_from_the_web_ui_becomes_one_run_and_a_correct_mart(
    services: Services, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = sandbox.world.now.date()
    window = DateWindow.of_days(today - timedelta(days=3), today - timedelta(days=1))
    days = [str(day) for day in window.days()]
    services.start("migrate")
    services.start("code")
    services.wait_until_ended("migrate")
    services.wait_until_healthy("code")
    services.start("webserver")
    services.wait_until_healthy("webserver")
    backfill_id = ask_for_backfill(services, days)
    services.start("daemon")

    for name, value in services.environment("daemon").items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(str(services.home)) as instance:
        run = the_run_of(instance, backfill_id, services)
        assert run.status == dg.DagsterRunStatus.SUCCESS, services.said("code")
        services.wait_until_healthy("daemon")
        assert mart(services, window) == truth(sandbox.world, window)

        assert instance.get_materialized_partitions(MART) == set(days)
        [newest] = instance.fetch_materializations(MART, limit=1).records
        assert newest.run_id == run.run_id
        assert newest.asset_materialization.metadata["rows"].value == len(truth(sandbox.world, window))
        said = [entry.user_message for entry in instance.all_logs(run.run_id) if not entry.is_dagster_event]
        assert any(" rows in " in message for message in said), said
    assert services.stop("code") == 0, services.said("code")
    assert_nothing_secret(services, sandbox)


def ask_for_backfill(services: Services, days: list[str]) -> str:
    """Request a backfill of all assets of the daily job, like the button in the UI."""
    assets = [
        asset["assetKey"]
        for asset in graphql(services, _ASSETS)["assetNodes"]
        if JOB_NAME in asset["jobNames"] and asset["isMaterializable"]
    ]
    asked = {"partitionNames": days, "assetSelection": assets}
    launched = graphql(services, _LAUNCH, asked=asked)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    backfill_id: str = launched["backfillId"]
    return backfill_id


def graphql(services: Services, query: str, **variables: Any) -> dict[str, Any]:
    answer = requests.post(
        f"{services.web}/graphql", json={"query": query, "variables": variables}, timeout=HANG_SECONDS
    )
    data: dict[str, Any] = answer.json()["data"]
    return data


def the_run_of(instance: dg.DagsterInstance, backfill_id: str, services: Services) -> dg.DagsterRun:
    """The only run of the backfill, after its end."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill_id}))
        if runs and runs[0].is_finished:
            [run] = runs
            return run
        assert time.monotonic() < deadline, services.said("daemon") + services.said("code")
        time.sleep(0.5)


def mart(services: Services, window: DateWindow) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = DuckDBWarehouse(services.folder / "warehouse.duckdb", 60).query(
        "select * from mdp_marts.mart_campaign__daily where date >= $start and date < $end",
        {"start": window.start, "end": window.end},
    )
    return keyed(rows.to_pylist())


def truth(world: World, window: DateWindow) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return keyed(world.truth(None, window.start, window.end))


def assert_nothing_secret(services: Services, sandbox: SandboxProcess) -> None:
    """No table of Dagster and no container's output contains a secret."""
    secrets = [value for name, value in sandbox.env.items() if re.search("TOKEN|SECRET", name)] + [PASSWORD]
    assert len(secrets) > 3
    tables = [name for (name,) in ask(services, "select tablename from pg_tables where schemaname = 'public'")]
    assert {"event_logs", "runs", "run_tags", "bulk_actions", "instigators"} <= set(tables)
    said = [str(ask(services, f'select * from "{name}"')) for name in tables]
    said += [log.read_text() for log in services.folder.glob("*.log")]
    assert sum(map(len, said)) > 100_000
    assert not [secret for secret in secrets if any(secret in text for text in said)]


def ask(services: Services, sql: str) -> list[tuple[Any, ...]]:
    with psycopg2.connect(services.storage_address) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def keyed(rows: Any) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    keys, values = ("date", "platform", "campaign_id"), ("impressions", "clicks", "spend", "conversions")
    return {tuple(row[name] for name in keys): tuple(row[name] for name in values) for row in rows}
