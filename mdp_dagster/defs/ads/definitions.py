"""The ads domain in Dagster. Only this file lists its sources, assets, checks, jobs, schedules and sensors."""

import dagster as dg

from mdp_dagster.defs.ads.campaign_checks import campaign_checks
from mdp_dagster.defs.ads.facts_check import facts_check
from mdp_dagster.defs.ads.jobs import (
    ads_daily_job,
    ads_daily_schedule,
    probe_job,
    probe_schedule,
    reload_job,
    reload_sensor,
)
from mdp_dagster.defs.ads.platforms import AD_PLATFORMS, ADS, PROBES, REPORTS
from mdp_dagster.defs.ads.row_checks import rows_check
from mdp_dagster.orchestration.dbt_assets import dbt_models
from mdp_dagster.orchestration.late_data.asset import late_days_asset
from mdp_dagster.orchestration.partitions import daily_partitions
from mdp_dagster.orchestration.raw_assets import raw_asset
from mdp_dagster.settings import Settings
from mdp_dagster.transform.project import ParsedProject

DOMAIN = ADS
SOURCES = AD_PLATFORMS


def definitions(settings: Settings, project: ParsedProject) -> dg.Definitions:
    """Returns the definitions of the domain, in the order of the data flow: extract, model, watch, check, schedule.

    Args:
        settings: MDP's settings.
        project: The parsed dbt project of all domains. The domain takes the models that have its tag.
    """
    partitions = daily_partitions(settings)
    raw = [raw_asset(report, ADS, partitions) for report in REPORTS]
    models = dbt_models(project, ADS, partitions)
    late_days = [late_days_asset(watched, ADS) for watched in PROBES]
    daily, probe = ads_daily_job(), probe_job()
    reloads = {watched: reload_job(watched) for watched in PROBES}
    return dg.Definitions(
        assets=[*raw, models, *late_days],
        asset_checks=[campaign_checks(), rows_check(), facts_check()],
        jobs=[daily, probe, *reloads.values()],
        sensors=[reload_sensor(watched, job, settings) for watched, job in reloads.items()],
        schedules=[ads_daily_schedule(settings, daily), probe_schedule(settings, probe)],
    )
