"""The job that does everything, every morning; and the probe for late data, every hour."""

from typing import Any

import dagster as dg

from mdp_dagster.orchestration.late_data.asset import GROUP as LATE_DATA
from mdp_dagster.orchestration.partitions import DAYS_BEFORE, daily_window, range_tags
from mdp_dagster.settings import Settings, SettingsError

JOB_NAME = "ads_daily"
PROBE_JOB_NAME = "late_data_probe"
_EVERY_MORNING = "0 5 * * *"


def ads_daily_job() -> Any:
    """The job over all tables: one run for a day or a range of days. (Dagster has no public name for its type.)"""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all() - dg.AssetSelection.groups(LATE_DATA),
        description="Pull all reports of all accounts, build the models, run the checks: one run over a range of days.",
    )


def ads_daily_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    """The job over today and the days before, every morning, in one run."""

    @dg.schedule(
        name=f"{JOB_NAME}_schedule",
        job=job,
        cron_schedule=_EVERY_MORNING,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every morning: today and the {DAYS_BEFORE} days before, in one run.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=str(context.scheduled_execution_time), tags=range_tags(daily_window(settings)))

    return schedule


def probe_job() -> Any:
    """The probe of every platform, in one run."""
    return dg.define_asset_job(
        PROBE_JOB_NAME,
        selection=dg.AssetSelection.groups(LATE_DATA),
        description="Pull the account totals over each account's lookback, and say which days are late.",
    )


def probe_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    """The probe, every hour (``MDP_PROBE_CRON``).

    Raises ``SettingsError`` for a cron expression that isn't one.
    """
    try:
        return dg.ScheduleDefinition(
            name=f"{PROBE_JOB_NAME}_schedule",
            job=job,
            cron_schedule=settings.probe_cron,
            execution_timezone=settings.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Which days have changed on the platforms? The sensors *_late_data_sensor reload them.",
        )
    except dg.DagsterInvalidDefinitionError as error:
        raise SettingsError(
            f"MDP_PROBE_CRON={settings.probe_cron!r} is no cron expression → write five fields, as in 20 * * * *"
        ) from error
