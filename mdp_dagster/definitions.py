"""MDP as Dagster sees it, in the order of the data flow: connect, extract, model, check, schedule."""

from __future__ import annotations

import warnings

import dagster as dg

from mdp_dagster.assets.models import dbt_models
from mdp_dagster.assets.raw import raw_asset
from mdp_dagster.assets.shared_raw import shared_raw_tables
from mdp_dagster.checks.campaigns import campaign_checks
from mdp_dagster.partitions import daily_partitions
from mdp_dagster.platforms import REPORTS
from mdp_dagster.schedules import ads_daily_job, ads_daily_schedule
from mdp_dagster.services import services_resource
from mdp_dagster.settings import Settings, load_settings
from mdp_dagster.transform.project import parsed_project


def build_definitions(settings: Settings) -> dg.Definitions:
    """All of MDP for the given settings."""
    partitions = daily_partitions(settings)
    raw = [raw_asset(report, partitions) for report in REPORTS]
    models = dbt_models(parsed_project(settings), partitions)
    job = ads_daily_job()
    return dg.Definitions(
        assets=[*raw, models, *shared_raw_tables()],
        asset_checks=[campaign_checks()],
        jobs=[job],
        schedules=[ads_daily_schedule(settings, job)],
        resources={"services": services_resource},
        # One process per run: the steps share the connectors, the parsed project and the one writer that DuckDB has.
        executor=dg.in_process_executor,
    )


# Backfill policies are "beta" in Dagster's words, and the whole of MDP stands on one; say it here, not in every log.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(load_settings())
