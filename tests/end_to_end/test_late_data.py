"""From a change at the platform to the right mart: the probe, the sensor, and the runs that it requests."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mdp_dagster.defs.ads.campaign_checks import daily_window_check_keys
from mdp_dagster.ingest.lateness import Reason
from mdp_dagster.operational.embedded_server import RunningServer
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, range_tags
from mdp_dagster.window import DateWindow
from tests.defs.shop.nights import new_database, settings_for
from tests.end_to_end.conftest import TEN_DAYS, TODAY, Platform, days_ago

GOOGLE = "4123087751"
META = "301400000000101"


@pytest.fixture(autouse=True)
def _twelve_days(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve days. The tests with `loaded` begin with the last ten in the warehouse."""
    monkeypatch.setenv("MDP_START_DATE", str(TODAY - timedelta(days=11)))


@pytest.fixture
def nothing_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The history begins with the ten loaded days, so that no day is late because it was never loaded."""
    monkeypatch.setenv("MDP_START_DATE", str(TEN_DAYS.start))


def materialized(platform: Platform, table: str) -> Counter[str]:
    """How often each partition of a table was materialized."""
    records = platform.instance.fetch_materializations(dg.AssetKey(table), limit=5000).records
    return Counter(str(record.partition_key) for record in records)


def windows(requests: list[dg.RunRequest]) -> list[str]:
    return [f"{request.tags[RANGE_START_TAG]}...{request.tags[RANGE_END_TAG]}" for request in requests]


def payload(platform: Platform, source: str) -> Any:
    record = platform.instance.fetch_materializations(dg.AssetKey(f"{source}__late_days"), limit=1).records[0]
    return record.asset_materialization.metadata[METADATA_KEY].value


def test_only_late_days_are_found_and_reloaded(loaded: Platform) -> None:
    platform = loaded
    assert platform.tick("google_ads") == []
    assert "no late days yet" in platform.skipped

    # days that were never loaded: those before the first run
    platform.probe()
    for source in ("google_ads", "meta_ads"):
        requests = platform.tick(source)
        assert windows(requests) == [str(days_ago(11, 10))]
        assert requests[0].tags[run_tags.REASON].startswith("never loaded: 2 days of ")
        assert platform.tick(source) == []
        platform.reload(source, requests[0])
    platform.assert_mart_is_true(days_ago(11))

    # nothing new: no event, no request
    before = platform.count("mdp_raw.raw__extracts")
    events = {source: materialized(platform, f"{source}__late_days") for source in ("google_ads", "meta_ads")}
    totals = materialized(platform, "raw_google_ads__account_daily")
    platform.probe()
    assert platform.count("mdp_raw.raw__extracts") == before
    assert {source: materialized(platform, f"{source}__late_days") for source in events} == events
    assert materialized(platform, "raw_google_ads__account_daily") == totals
    assert platform.tick("google_ads") == [] and platform.tick("meta_ads") == []

    # three days of one account, two of them side by side, and a day that vanishes
    first = platform.a_day_with_rows(GOOGLE, 6)
    restated = [first, first + timedelta(days=1), first + timedelta(days=4)]
    for day in restated:
        platform.world.restate("google_ads", GOOGLE, day, factor=2)
    gone = platform.a_day_with_rows(META, 3)
    platform.world.empty_day("meta_ads", META, gone)
    marts = materialized(platform, "mart_campaign__daily")
    campaigns = materialized(platform, "raw_google_ads__campaign_daily")
    probed = platform.probe()
    google, meta = platform.tick("google_ads"), platform.tick("meta_ads")
    assert windows(google) == [f"{restated[0]}...{restated[1]}", f"{restated[2]}...{restated[2]}"]
    assert windows(meta) == [f"{gone}...{gone}"]
    assert google[0].tags[run_tags.ACCOUNTS] == GOOGLE
    assert google[0].tags[run_tags.PROBE_RUN] == probed.run_id
    assert google[0].tags[run_tags.REASON] == "restated: 2 days of 1 account"
    there = platform.mart(DateWindow.of_days(restated[0], restated[1])).values()
    doubled = sum(row["conversions"] for row in there if row["account_id"] == GOOGLE)
    value = sum(row["conversion_value"] for row in there if row["account_id"] == GOOGLE)
    assert google[0].tags[run_tags.MOVED] == f"conversions {doubled:+,.2f}, conversion_value {value:+,.2f} EUR"
    lost = sum(
        row["spend"] for row in platform.mart(DateWindow.of_days(gone, gone)).values() if row["account_id"] == META
    )
    assert f"spend {-lost:+,.2f} EUR" in meta[0].tags[run_tags.MOVED]
    for request in google:
        platform.reload("google_ads", request)
    platform.reload("meta_ads", meta[0])
    platform.assert_mart_is_true(days_ago(11))
    assert materialized(platform, "raw_google_ads__campaign_daily") - campaigns == Counter(map(str, restated))
    assert set(materialized(platform, "mart_campaign__daily") - marts) == {str(day) for day in [*restated, gone]}

    platform.probe()
    assert platform.tick("google_ads") == [] and platform.tick("meta_ads") == []


def test_both_platforms_late_on_the_same_day_do_not_stop_each_other(loaded: Platform) -> None:
    """Meta's raw rows are committed and its models not yet built when Google's run builds its own."""
    platform = loaded
    day = platform.a_day_with_rows(GOOGLE, 3)
    assert any(row["account_id"] == META for row in platform.truth(DateWindow.of_days(day, day)).values())
    platform.world.restate("google_ads", GOOGLE, day, factor=2)
    platform.world.empty_day("meta_ads", META, day)
    platform.probe()
    google = next(r for r in platform.tick("google_ads") if r.tags[RANGE_START_TAG] == str(day))
    platform.run(DateWindow.of_days(day, day), select="raw_meta_ads__campaign_daily")
    platform.reload("google_ads", google)
    platform.assert_mart_is_true(DateWindow.of_days(day, day))
    rows = platform.warehouse.query(
        "select verdict, count(*) as n from mdp_staging.int_account__reconciliation group by 1"
    )
    assert {row["verdict"] for row in rows.to_pylist()} <= {"matches", "explained"}


def test_a_reload_of_one_account_keeps_the_check_results_of_the_others(loaded: Platform) -> None:
    platform = loaded
    table = "raw_google_ads__campaign_daily"
    other = "3390417725"
    platform.sandbox.faults.add("google_ads", "disabled_account", account_id=other)
    window = days_ago(2, 1)
    assert not platform.checks(platform.run(window))[table, "all_accounts_extracted"].passed

    day = platform.a_day_with_rows(GOOGLE, 4)
    platform.world.restate("google_ads", GOOGLE, day, factor=2)
    platform.probe()
    for request in platform.tick("google_ads"):
        assert other not in request.tags[run_tags.ACCOUNTS]
        check = platform.checks(platform.reload("google_ads", request))[table, "all_accounts_extracted"]
        assert not check.passed
        [failure] = check.metadata["failures"].value.records
        assert failure.data["account_id"] == other

    platform.sandbox.faults.clear()
    assert platform.checks(platform.run(window))[table, "all_accounts_extracted"].passed


def test_a_reload_job_has_all_assets_downstream_of_the_report_and_not_the_kpi_checks(platform: Platform) -> None:
    layer = platform.definitions.resolve_job_def("google_ads_late_data").asset_layer
    assets = {key.to_user_string() for key in layer.executable_asset_keys}
    assert assets == {
        "raw_google_ads__campaign_daily",
        "stg_google_ads__account_daily",
        "stg_google_ads__campaign_daily",
        "stg_meta_ads__account_daily",
        "stg_meta_ads__campaign_daily",
        "int_account__reconciliation",
        "int_campaign__daily_unified",
        "int_account__daily_maturity",
        "int_platform__daily_maturity",
        "mart_campaign__daily",
        "mart_campaign__restatements",
        "mart_client__daily",
        "mart_account__maturity",
        "mart_platform__maturity",
    }
    checks = {key.name for key in layer.asset_graph.asset_check_keys}
    assert {"grain_unique", "row_counts_match", "campaigns_add_up"} <= checks
    assert not checks & {key.name for key in daily_window_check_keys()}


@pytest.mark.usefixtures("nothing_missing")
def test_a_day_that_was_extracted_and_not_built_is_late(loaded: Platform) -> None:
    """A reload died or failed after its extract: the ledger is right, and the mart is not."""
    platform = loaded
    day, gone = platform.a_day_with_rows(GOOGLE, 3), platform.a_day_with_rows(META, 2)
    platform.world.restate("google_ads", GOOGLE, day, factor=2)
    platform.world.empty_day("meta_ads", META, gone)
    for source, late in (("google_ads", day), ("meta_ads", gone)):
        for report in ("account_daily", "campaign_daily"):
            platform.run(DateWindow.of_days(late, late), select=f"raw_{source}__{report}")
    assert not platform.shows_truth(TEN_DAYS)
    platform.probe()
    for source, late in (("google_ads", day), ("meta_ads", gone)):
        [request] = platform.tick(source)
        assert windows([request]) == [f"{late}...{late}"]
        assert request.tags[run_tags.REASON] == "not built: 1 day of 1 account"
        platform.reload(source, request)
    platform.assert_mart_is_true(TEN_DAYS)
    platform.probe()
    assert platform.tick("google_ads") == [] and platform.tick("meta_ads") == []


@pytest.fixture
def two_days_of_shops(postgres_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shops have a database for this test, and little history."""
    url = new_database(postgres_server.url, "all_assets")
    settings_for(monkeypatch, url, days_ago(1).start)


@pytest.mark.usefixtures("nothing_missing", "two_days_of_shops")
def test_a_run_of_all_assets_judges_the_marts_that_it_builds(platform: Platform) -> None:
    """Nothing was loaded before: the late days are looked for when the marts are there."""
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    result = platform._execute(job, tags=range_tags(TEN_DAYS))
    assert result.success, platform.errors(result)
    platform.assert_mart_is_true(TEN_DAYS)
    assert not materialized(platform, "google_ads__late_days") and not materialized(platform, "meta_ads__late_days")
    assert platform.tick("google_ads") == [] and platform.tick("meta_ads") == []


@pytest.mark.usefixtures("nothing_missing")
def test_without_the_mart_every_extracted_day_is_late(loaded: Platform) -> None:
    """Raw was rebuilt, or the first build failed. Without the probe, days before this week would never be requested."""
    platform = loaded
    first_day = days_ago(9).start
    with duckdb.connect(str(platform.warehouse.path)) as connection:
        connection.execute("drop table mdp_marts.mart_campaign__daily")
    platform.probe()
    for source in ("google_ads", "meta_ads"):
        days = {
            day.date for day in LateDays.from_json(payload(platform, source)).days if day.reason is Reason.NOT_BUILT
        }
        assert min(days) == first_day
        for request in platform.tick(source):
            platform.reload(source, request)
    platform.assert_mart_is_true(TEN_DAYS)
