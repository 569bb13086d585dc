"""The jobs of the ads domain and their schedules: the daily run, the hourly probe, and the reloads of late days."""

from typing import Any

import dagster as dg

from mdp_dagster.defs.ads.campaign_checks import daily_window_check_keys
from mdp_dagster.defs.ads.platforms import ADS
from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.domain import LATE_DATA
from mdp_dagster.orchestration.late_data.reload_job import late_data_job
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.orchestration.late_data.sensor import late_data_sensor
from mdp_dagster.orchestration.partitions import DAILY_RUN_HOUR, DAYS_BEFORE, daily_window, range_tags
from mdp_dagster.settings import Settings, SettingsError

JOB_NAME = "ads_daily"
PROBE_JOB_NAME = "late_data_probe"
_EVERY_MORNING = f"0 {DAILY_RUN_HOUR} * * *"


def ads_daily_job() -> Any:
    """The job over all tables of the domain. Dagster has no public name for its type."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=ADS.assets() - ADS.layer(LATE_DATA),
        description="Extract all reports of all accounts, build the models and run the checks, for one range of days.",
    )


def ads_daily_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    """Returns the schedule of the daily run."""

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
    """Returns the job that probes every ad platform in one run."""
    return dg.define_asset_job(
        PROBE_JOB_NAME,
        selection=ADS.layer(LATE_DATA),
        description="Extract the account totals over each account's lookback, and list the late days.",
    )


def probe_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    """Returns the schedule of the probe (``MDP_PROBE_CRON``).

    Raises:
        SettingsError: The cron expression is not valid.
    """
    try:
        return dg.ScheduleDefinition(
            name=f"{PROBE_JOB_NAME}_schedule",
            job=job,
            cron_schedule=settings.probe_cron,
            execution_timezone=settings.timezone,
            tags={run_tags.DUE_ACCOUNTS: "only"},
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=(
                "Find the days that changed on the ad platforms. The sensors *_late_data_sensor reload them. An "
                "account is skipped until its next interval of MDP_RELOAD_CADENCE begins. Launch the job yourself to "
                "probe every account."
            ),
        )
    except dg.DagsterInvalidDefinitionError as error:
        raise SettingsError(
            f"MDP_PROBE_CRON={settings.probe_cron!r} is not a valid cron expression → use five fields, for example "
            "20 * * * *"
        ) from error


def reload_job(watched: WatchedReports) -> Any:
    """Returns the job that reloads late days of a source's detail reports."""
    return late_data_job(watched, ADS, daily_window_check_keys())


def reload_sensor(watched: WatchedReports, job: Any, settings: Settings) -> dg.SensorDefinition:
    """Returns the sensor that requests the runs of a reload job."""
    return late_data_sensor(watched, job, [JOB_NAME], ReloadTimes.of(settings))
