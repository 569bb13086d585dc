"""The definitions in the Dagster UI, and the requests of the schedule. These tests start no run."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

from mdp_dagster.definitions import build_definitions
from mdp_dagster.defs.ads.campaign_checks import daily_window_check_keys
from mdp_dagster.defs.ads.jobs import JOB_NAME
from mdp_dagster.defs.ads.platforms import PLATFORM_NAMES, REPORTS
from mdp_dagster.defs.shop.looker_csv import LOOKER_CSV
from mdp_dagster.defs.shop.morning_mail import MORNING_MAIL
from mdp_dagster.defs.shop.shop_systems import ORDERS_SYNC
from mdp_dagster.ingest.feed_tables import FEEDS
from mdp_dagster.ingest.tables import SHARED_TABLES
from mdp_dagster.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, daily_partitions, today
from mdp_dagster.settings import PROJECT_ROOT, Settings, SettingsError
from tests.end_to_end.conftest import environment, servers  # noqa: F401
from tests.support import snapshot

pytestmark = pytest.mark.usefixtures("environment")

# The late days that the probe found are not tables, and have no partitions.
LATE_DAYS = {dg.AssetKey(f"{source}__late_days") for source in PLATFORM_NAMES}
WITHOUT_A_TABLE = {*LATE_DAYS, ORDERS_SYNC, dg.AssetKey(LOOKER_CSV), dg.AssetKey(MORNING_MAIL)}


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings)


def test_the_asset_graph_and_its_checks_are_those_of_the_snapshot(
    definitions: dg.Definitions, request: pytest.FixtureRequest
) -> None:
    graph = snapshot.graph_of(definitions)
    if request.config.getoption("--update-snapshots"):
        snapshot.write(graph)
    assert graph == snapshot.read(), "if the change is intended: pytest --update-snapshots"


def test_every_asset_has_a_domain_a_layer_and_the_group_of_both(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name == f"{node.tags['domain']}_{node.tags['layer']}", key
    shared = {key for key in graph.get_all_asset_keys() if graph.get(key).tags["domain"] == "engine"}
    assert shared == {dg.AssetKey(table.name) for table in (*SHARED_TABLES, FEEDS)}


def test_every_check_has_a_description_and_a_short_name_of_its_own(definitions: dg.Definitions) -> None:
    """The UI's column shows 29 characters, next to the asset's name."""
    graph = definitions.resolve_asset_graph()
    for key in graph.asset_check_keys:
        assert (graph.get_check_spec(key).description or "").strip(), key
        assert len(key.name) <= 29, key
        assert key.asset_key.to_user_string() not in key.name, key


def test_every_asset_has_a_description(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners == ["team:marketing-data"], key
        assert node.kinds, key
        assert key in WITHOUT_A_TABLE or node.metadata["dagster/column_schema"].columns, key
    for key in graph.materializable_asset_keys - WITHOUT_A_TABLE:
        columns = graph.get(key).metadata["dagster/column_schema"].columns
        assert all(column.description for column in columns), key
        if graph.get(key).tags["layer"] in ("raw", "marts"):
            assert "rain" in (graph.get(key).description or ""), f"{key} doesn't say its grain"


@pytest.mark.slow
def test_dg_lists_every_asset_and_check() -> None:
    command = [str(Path(sys.executable).with_name("dg")), "list", "defs", "--json"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    graph = snapshot.read()
    assert len(listed["assets"]) == sum(map(len, graph.values()))
    assert len(listed["asset_checks"]) == sum(map(snapshot.number_of_checks, ("ads", "shop")))
    assert f"{JOB_NAME}_schedule" in {schedule["name"] for schedule in listed["schedules"]}


def test_every_range_of_days_is_one_run(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    of_ads = {key for key in graph.materializable_asset_keys if graph.get(key).tags["domain"] == "ads"}
    partitions = {graph.get(key).partitions_def for key in of_ads - LATE_DAYS}
    assert len(partitions) == 1
    for key in graph.materializable_asset_keys:  # of all domains: otherwise Dagster refuses a backfill of `*`
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run()


def test_the_grain_and_rejected_rows_checks_block_assets_downstream(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking = {
        (key.asset_key.to_user_string(), key.name)
        for key in graph.asset_check_keys
        if graph.get_check_spec(key).blocking
    }
    for report in REPORTS:
        assert {(report.table, "grain_unique"), (report.table, "rejects_within_limit")} <= blocking
        assert (report.table, "all_accounts_extracted") not in blocking
    for model in ("stg_google_ads__campaign_daily", "stg_meta_ads__campaign_daily", "mart_campaign__daily"):
        assert (model, "grain_unique") in blocking
    assert not {name for _, name in blocking} & {key.name for key in daily_window_check_keys()}


def test_the_schedule_requests_one_run_for_today_and_the_seven_days_before(
    definitions: dg.Definitions, settings: Settings
) -> None:
    schedule = definitions.resolve_schedule_def(f"{JOB_NAME}_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 20, 5, tzinfo=timezone.utc),
            resources={},
        )
        [request] = schedule.evaluate_tick(context).run_requests or []
    first, last = (date.fromisoformat(request.tags[tag]) for tag in (RANGE_START_TAG, RANGE_END_TAG))
    assert last == today(settings)
    assert (last - first).days == 7


def test_today_is_a_partition_and_tomorrow_is_not(settings: Settings) -> None:
    keys = daily_partitions(settings).get_partition_keys()
    assert keys[0] == settings.start_date.isoformat()
    assert keys[-1] == today(settings).isoformat()


def test_a_start_date_in_the_future_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDP_START_DATE", "2999-01-01")
    with pytest.raises(SettingsError, match="MDP_START_DATE=2999-01-01 is in the future.*→"):
        build_definitions(Settings())
