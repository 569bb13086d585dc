"""One history on BigQuery and on DuckDB: restatements, crashes, late data, past states, a lost warehouse.

An emulator is slow, so this is one long test that checks everything on the way.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest

from mdp_dagster.__main__ import main
from mdp_dagster.definitions import services
from mdp_dagster.defs.ads.platforms import SHOWN_BY
from mdp_dagster.ingest.account_registry import follow_clients_file
from mdp_dagster.ingest.shown_facts import DifferingDays, days_with_other_facts
from mdp_dagster.settings import PROJECT_ROOT, load_settings
from mdp_dagster.transform.as_of_build import AsOf
from mdp_dagster.warehouse.base import in_window
from tests.bigquery.conftest import CloudPlatform
from tests.bigquery.parity import assert_same
from tests.bigquery.partition_filters import unpruned
from tests.end_to_end.conftest import NOW, Platform, days_ago
from tests.support.limits import HANG_SECONDS

GOOGLE, META = "4123087751", "301400000000101"
LEDGER, ROWS = "mdp_raw.raw__extracts", "mdp_raw.raw_google_ads__campaign_daily"
WINDOW = days_ago(7)
ASKED_BY_HAND = "select count(*) as asked_by_hand from mdp_marts.mart_campaign__daily"


@pytest.fixture
def duckdb(cloud_platform: CloudPlatform) -> Iterator[Platform]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(cloud_platform.sandbox, cloud_platform.folder, instance)


def test_one_history_on_both_engines(
    cloud_platform: CloudPlatform,
    duckdb: Platform,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud = cloud_platform
    monkeypatch.setenv("MDP_START_DATE", str(WINDOW.start))
    cloud.world.now = NOW - timedelta(days=2)
    for platform in (cloud, duckdb):
        platform.run(days_ago(7, 2))
    assert_same(cloud, duckdb, WINDOW)
    assert find_changed_facts(cloud) == find_changed_facts(duckdb) != []
    then, before = datetime.now(timezone.utc), cloud.mart(WINDOW)
    # before the second build, which then shows whether raw is complete
    lose_everything_and_rebuild_raw(cloud, capsys)

    cloud.world.now = NOW
    restated, emptied = cloud.a_day_with_rows(GOOGLE, 4), cloud.a_day_with_rows(META, 3)
    cloud.world.restate("google_ads", GOOGLE, restated, factor=1.37)
    cloud.world.restate("meta_ads", META, restated, factor=0.11)
    cloud.world.empty_day("meta_ads", META, emptied)
    die_between_rows_and_ledger(cloud)
    die_by_sigkill(cloud)

    results = [platform.run(WINDOW) for platform in (cloud, duckdb)]
    counted = assert_same(cloud, duckdb, WINDOW)
    assert all(counted[name] for name in counted if not name.endswith("__daily_maturity")), counted
    cloud.assert_mart_is_true(WINDOW)
    assert {key: check.passed for key, check in cloud.checks(results[0]).items()} == {
        key: check.passed for key, check in duckdb.checks(results[1]).items()
    }

    reloads = notice_and_reload_a_late_day(cloud, duckdb)
    assert_costs_are_reported(reloads[0])
    assert_same(cloud, duckdb, WINDOW)
    cloud.assert_mart_is_true(WINDOW)

    look_back(cloud, then, before, capsys)
    refuse_what_costs_too_much(cloud, monkeypatch)
    assert_every_statement_names_its_days(cloud)


def find_changed_facts(platform: Platform) -> list[DifferingDays]:
    """A client gets another name, and its old one back."""
    clients = services(load_settings()).clients
    first = clients.clients[0]
    renamed = clients.model_copy(update={"clients": [first.model_copy(update={"name": "Other"}), *clients.clients[1:]]})
    follow_clients_file(platform.warehouse, renamed, "renamed", datetime.now(timezone.utc))
    found = days_with_other_facts(platform.warehouse, "google_ads", SHOWN_BY, WINDOW)
    follow_clients_file(platform.warehouse, clients, "back", datetime.now(timezone.utc))
    assert days_with_other_facts(platform.warehouse, "google_ads", SHOWN_BY, WINDOW) == []
    return found


def count(platform: CloudPlatform, table: str) -> int:
    return platform.count(f"{table} where {in_window(WINDOW)}")


def die_between_rows_and_ledger(cloud: CloudPlatform) -> None:
    loaded, known = count(cloud, ROWS), count(cloud, LEDGER)
    cloud.cloud.fail("invalid", "died here", project=cloud.project, kind="load", table=LEDGER)
    result = cloud.run(WINDOW, select="raw_google_ads__campaign_daily", succeeds=False)
    assert "died here" in cloud.errors(result)
    assert count(cloud, ROWS) > loaded, "the rows had been loaded"
    assert count(cloud, LEDGER) == known


def die_by_sigkill(cloud: CloudPlatform) -> None:
    """Kill the process during the ledger's load. The job continues without it."""
    cloud.cloud.delay(2, project=cloud.project, kind="load", table=LEDGER)
    known = len(ledger_loads(cloud))
    with cloud.environment():
        command = [sys.executable, "-m", "mdp_dagster", "backfill", str(WINDOW.start), str(WINDOW.last)]
        process = subprocess.Popen([*command, "--select", "raw_google_ads__campaign_daily"], cwd=PROJECT_ROOT)
        try:
            deadline = time.monotonic() + HANG_SECONDS
            while len(ledger_loads(cloud)) == known:
                assert process.poll() is None, f"it ended with {process.returncode} before its commit"
                assert time.monotonic() < deadline, "it never came to its commit"
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()


def ledger_loads(cloud: CloudPlatform) -> list[Any]:
    jobs = [job for job in cloud.cloud.statements(cloud.project) if job.kind == "load"]
    return [job for job in jobs if job.configuration["load"]["destinationTable"]["tableId"] == "raw__extracts"]


def assert_costs_are_reported(result: dg.ExecuteInProcessResult) -> None:
    """Each model's newest event has its cost: the estimate needs tables that exist before the run."""
    reported = {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
        for event in result.all_events
        if event.is_step_materialization
    }
    estimated = {name: found["estimated_bytes"].value for name, found in reported.items() if "estimated_bytes" in found}
    assert len(estimated) == 13
    del estimated["int_platform__daily_maturity"]  # it reads a table that is empty without final days
    assert all(estimated.values())
    assert all(reported[name]["billed_bytes"].value > 0 for name in estimated)


def notice_and_reload_a_late_day(cloud: CloudPlatform, duckdb: Platform) -> list[dg.ExecuteInProcessResult]:
    late = cloud.a_day_with_rows(GOOGLE, 5)
    cloud.world.restate("google_ads", GOOGLE, late, factor=2)
    results = []
    for platform in (cloud, duckdb):
        platform.probe()
        [request] = platform.tick("google_ads")
        assert platform.tick("meta_ads") == []
        assert request.tags["dagster/asset_partition_range_start"] == str(late)
        results.append(platform.reload("google_ads", request))
    rows = count(cloud, LEDGER)
    cloud.probe()
    assert cloud.tick("google_ads") == [] and count(cloud, LEDGER) == rows, "a probe that found nothing left a trace"
    return results


def look_back(cloud: CloudPlatform, then: datetime, before: dict[Any, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Compare the marts of a past instant with the current ones, and run the queries of a user's shell."""
    as_of = AsOf(then)
    with cloud.environment():
        assert main(["as-of", then.isoformat()]) == 0
        assert main(["query", ASKED_BY_HAND]) == 0
    said = capsys.readouterr().out
    assert f"In BigQuery project {cloud.project}" in said and "asked_by_hand" in said
    past = cloud.warehouse.query(f"select * from mdp_marts_{as_of.suffix}.mart_campaign__daily").to_pylist()
    spend = {(row["date"], row["platform"], row["campaign_id"]): row["spend"] for row in past}
    assert spend == {key: row["spend"] for key, row in before.items()}
    with cloud.environment():
        assert main(["as-of", then.isoformat(), "--drop"]) == 0
    assert not [dataset for dataset, _ in cloud.warehouse.tables() if "as_of" in dataset]


def refuse_what_costs_too_much(cloud: CloudPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = len(cloud.cloud.statements(cloud.project))
    with monkeypatch.context() as limited:
        limited.setenv("MDP_BIGQUERY_MAX_BYTES_PER_RUN", "100")
        said = cloud.errors(cloud.run(WINDOW, select="stg_google_ads__campaign_daily", succeeds=False))
    assert "more than MDP_BIGQUERY_MAX_BYTES_PER_RUN (100 B)" in said and "→ a shorter range, or a higher limit" in said
    jobs = [job for job in cloud.cloud.statements(cloud.project)[sent:] if job.kind == "query"]
    models = [job for job in jobs if "stg_google_ads__campaign_daily" in job.sql]
    assert len(models) > 3 and all(job.configuration.get("dryRun") for job in models)


def lose_everything_and_rebuild_raw(cloud: CloudPlatform, capsys: pytest.CaptureFixture[str]) -> None:
    before = count(cloud, LEDGER), count(cloud, ROWS)
    client = cloud.cloud.bigquery_client(cloud.project)
    for dataset in ("mdp_raw", "mdp_staging", "mdp_marts"):
        client.delete_dataset(dataset, delete_contents=True)
    with cloud.environment():
        assert main(["rebuild-raw"]) == 0
    output = capsys.readouterr().out
    assert f"BigQuery project {cloud.project} rebuilt from gs://{cloud.bucket}/mdp" in output
    assert (count(cloud, LEDGER), count(cloud, ROWS)) == before


def assert_every_statement_names_its_days(cloud: CloudPlatform) -> None:
    client = cloud.cloud.bigquery_client(cloud.project)
    tables = {}
    for dataset, name in cloud.warehouse.tables():
        partitioning = client.get_table(f"{cloud.project}.{dataset}.{name}").time_partitioning
        if partitioning is not None:
            tables[f"{dataset}.{name}"] = partitioning.field
    assert len(tables) == 19, "raw's four reports, ledger and rejects, thirteen models; not the registry"
    statements = [job.sql for job in cloud.cloud.statements(cloud.project) if job.kind == "query"]
    assert len([sql for sql in statements if "merge into" in sql.lower()]) > 30
    # people and tests may query a whole mart
    ours = [sql for sql in statements if sql != ASKED_BY_HAND and "date >= @start and date < @end" not in sql]
    assert [found for sql in ours for found in unpruned(sql, tables)] == []
