"""MDP as Dagster sees it, in the order of the data flow: connect, extract, model, check, watch, schedule."""

from __future__ import annotations

import warnings
from typing import Any

import dagster as dg

from mdp_dagster.defs.ads.campaign_checks import campaign_checks
from mdp_dagster.defs.ads.jobs import ads_daily_job, ads_daily_schedule, probe_job, probe_schedule
from mdp_dagster.defs.ads.platforms import PROBES, REPORTS
from mdp_dagster.defs.ads.row_checks import rows_check
from mdp_dagster.google_cloud.settings import load_google_cloud_settings
from mdp_dagster.orchestration.dbt_assets import dbt_models
from mdp_dagster.orchestration.late_data.asset import late_days_asset
from mdp_dagster.orchestration.late_data.sensor import late_data_job, late_data_sensor
from mdp_dagster.orchestration.ledger_assets import shared_raw_tables
from mdp_dagster.orchestration.partitions import daily_partitions
from mdp_dagster.orchestration.raw_assets import raw_asset
from mdp_dagster.orchestration.services import services_resource
from mdp_dagster.settings import Settings, load_settings
from mdp_dagster.transform.project import parsed_project


def build_definitions(settings: Settings) -> dg.Definitions:
    """All of MDP for the given settings."""
    partitions = daily_partitions(settings)
    raw = [raw_asset(report, partitions) for report in REPORTS]
    models = dbt_models(parsed_project(settings), partitions)
    late_days = [late_days_asset(totals, report) for totals, report in PROBES]
    daily, probe = ads_daily_job(), probe_job()
    reloads = {report: late_data_job(totals, report) for totals, report in PROBES}
    return dg.Definitions(
        assets=[*raw, models, *late_days, *shared_raw_tables()],
        asset_checks=[campaign_checks(), rows_check()],
        jobs=[daily, probe, *reloads.values()],
        sensors=[late_data_sensor(report, job) for report, job in reloads.items()],
        schedules=[ads_daily_schedule(settings, daily), probe_schedule(settings, probe)],
        resources={"services": services_resource, **_google_cloud(settings)},
        # One process per run: the steps share the connectors, the parsed project and the one writer that DuckDB has.
        executor=dg.in_process_executor,
    )


def _google_cloud(settings: Settings) -> dict[str, Any]:
    """BigQuery's client as a resource, for assets that people add."""
    if settings.target == "duckdb":
        return {}
    from mdp_dagster.google_cloud.clients import bigquery_resource

    return {"bigquery": bigquery_resource(load_google_cloud_settings())}


# Backfill policies are "beta" in Dagster's words, and the whole of MDP stands on one; say it here, not in every log.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(load_settings())
