"""What a stranger sees in the Dagster UI, and what the schedule asks for. No run in here."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

from mdp_dagster.definitions import build_definitions
from mdp_dagster.defs.ads.jobs import JOB_NAME
from mdp_dagster.defs.ads.platforms import PLATFORM_NAMES, REPORTS
from mdp_dagster.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, daily_partitions, today
from mdp_dagster.settings import Settings, SettingsError

# Every change of the graph shows here, and so in review: what each asset is made from, by layer.
GRAPH = {
    "engine_raw": {
        "raw__accounts": [],
        "raw__extracts": [],
        "raw__rejects": [],
    },
    "ads_raw": {
        "raw_google_ads__account_daily": [],
        "raw_google_ads__campaign_daily": [],
        "raw_meta_ads__account_daily": [],
        "raw_meta_ads__campaign_daily": [],
    },
    "ads_staging": {
        "stg_google_ads__account_daily": ["raw__extracts", "raw_google_ads__account_daily"],
        "stg_google_ads__campaign_daily": ["raw__extracts", "raw_google_ads__campaign_daily"],
        "stg_meta_ads__account_daily": ["raw__accounts", "raw__extracts", "raw_meta_ads__account_daily"],
        "stg_meta_ads__campaign_daily": ["raw__accounts", "raw__extracts", "raw_meta_ads__campaign_daily"],
    },
    "ads_intermediate": {
        "int_account__reconciliation": [
            "int_campaign__daily_unified",
            "raw__accounts",
            "raw__extracts",
            "raw__rejects",
            "raw_google_ads__campaign_daily",
            "raw_meta_ads__campaign_daily",
            "stg_google_ads__account_daily",
            "stg_google_ads__campaign_daily",
            "stg_meta_ads__account_daily",
            "stg_meta_ads__campaign_daily",
        ],
        "int_campaign__daily_unified": [
            "raw__accounts",
            "stg_google_ads__campaign_daily",
            "stg_meta_ads__campaign_daily",
        ],
        "int_platform__daily_maturity": [
            "raw__accounts",
            "raw__extracts",
            "raw_google_ads__account_daily",
            "raw_meta_ads__account_daily",
            "stg_google_ads__account_daily",
            "stg_meta_ads__account_daily",
        ],
    },
    "ads_marts": {
        "mart_campaign__daily": [
            "int_account__reconciliation",
            "int_campaign__daily_unified",
            "mart_platform__maturity",
        ],
        "mart_campaign__restatements": [
            "int_account__reconciliation",
            "raw__accounts",
            "raw__extracts",
            "raw_google_ads__campaign_daily",
            "raw_meta_ads__campaign_daily",
        ],
        "mart_client__daily": ["mart_campaign__daily"],
        "mart_platform__maturity": ["int_campaign__daily_unified", "int_platform__daily_maturity"],
    },
    "ads_late_data": {
        "google_ads__late_days": ["raw__extracts", "raw_google_ads__account_daily", "raw_google_ads__campaign_daily"],
        "meta_ads__late_days": ["raw__extracts", "raw_meta_ads__account_daily", "raw_meta_ads__campaign_daily"],
    },
}

# No tables, and not cut by day: what the probe found.
LATE_DAYS = {dg.AssetKey(f"{source}__late_days") for source in PLATFORM_NAMES}


@pytest.fixture
def settings(environment: Path) -> Settings:
    return Settings()


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings)


def test_the_asset_graph_is_this_one(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    there: dict[str, dict[str, list[str]]] = {}
    for node in map(graph.get, graph.get_all_asset_keys()):
        parents = sorted(parent.to_user_string() for parent in node.parent_keys)
        there.setdefault(node.group_name, {})[node.key.to_user_string()] = parents
    assert there == GRAPH


def test_every_asset_explains_itself(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners == ["team:marketing-data"], key
        assert node.kinds, key
        assert key in LATE_DAYS or node.metadata["dagster/column_schema"].columns, key
    for key in graph.materializable_asset_keys - LATE_DAYS:
        columns = graph.get(key).metadata["dagster/column_schema"].columns
        assert all(column.description for column in columns), key
        if graph.get(key).tags["layer"] in ("raw", "marts"):
            assert "rain" in (graph.get(key).description or ""), f"{key} doesn't say its grain"


def test_every_range_of_days_is_one_run(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    partitions = {graph.get(key).partitions_def for key in graph.materializable_asset_keys - LATE_DAYS}
    assert len(partitions) == 1
    for key in graph.materializable_asset_keys:
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run()


def test_grain_and_rejects_block_what_is_downstream(definitions: dg.Definitions) -> None:
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
        assert (model, f"unique_grain_{model}") in blocking
    assert not {check for check in blocking if check[1].startswith(("kpi_", "volume"))}


def test_every_morning_today_and_the_seven_days_before_in_one_run(
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
    assert keys[0] == "2024-01-01"
    assert keys[-1] == today(settings).isoformat()


def test_a_start_date_in_the_future_is_refused(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDP_START_DATE", "2999-01-01")
    with pytest.raises(SettingsError, match="MDP_START_DATE=2999-01-01 is in the future.*→"):
        build_definitions(Settings())
