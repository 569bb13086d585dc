"""The job that does everything, and the schedule that runs it every morning."""

from typing import Any

import dagster as dg

from mdp_dagster.partitions import DAYS_BEFORE, daily_window, range_tags
from mdp_dagster.settings import Settings

JOB_NAME = "ads_daily"
_EVERY_MORNING = "0 5 * * *"


def ads_daily_job() -> Any:
    """The job over all assets: one run for a day or a range of days. (Dagster has no public name for its type.)"""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
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
