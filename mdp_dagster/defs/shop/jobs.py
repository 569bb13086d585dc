"""The jobs of the shop domain and their schedules: the night, and the check of its result at 08:00."""

from typing import Any

import dagster as dg

from mdp_dagster.defs.shop.freshness import FRESH, FRESHNESS_JOB
from mdp_dagster.defs.shop.night_alerts import alert_of_failure
from mdp_dagster.defs.shop.shop_systems import DAILY_MART, SHOP, listed_shops
from mdp_dagster.settings import Settings

SHOP_JOB = "shop_daily"
_AT_NIGHT = "0 2 * * *"
_AT_EIGHT = "0 8 * * *"


def shop_daily_job() -> Any:
    """Returns the job over all assets of the domain. Dagster has no public name for its type."""
    return dg.define_asset_job(
        SHOP_JOB,
        selection=SHOP.assets(),
        hooks={alert_of_failure},
        description=(
            "Sync all shops into PostgreSQL, extract what changed, build the models, run the checks, then write the "
            "exports and send the mails."
        ),
    )


def shop_daily_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    """Returns the schedule of the night."""
    text = "Every night at 02:00 (MDP_SHOP_TIMEZONE). Skipped while the clients file has no shops."
    return _schedule(settings, job, SHOP_JOB, _AT_NIGHT, text)


def freshness_job() -> Any:
    """Returns the job that only checks whether the figures are of yesterday."""
    return dg.define_asset_job(
        FRESHNESS_JOB,
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(DAILY_MART), FRESH)),
        hooks={alert_of_failure},
        description="Check that the figures of every shop include yesterday, and send an alert if they do not.",
    )


def freshness_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    """Returns the schedule of the check."""
    text = "Every morning at 08:00 (MDP_SHOP_TIMEZONE). Skipped while the clients file has no shops."
    return _schedule(settings, job, FRESHNESS_JOB, _AT_EIGHT, text)


def _schedule(settings: Settings, job: Any, name: str, cron: str, description: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone=settings.shop_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
        required_resource_keys={"services"},
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not listed_shops(context.resources.services.clients):
            return dg.SkipReason("the clients file has no shops")
        return dg.RunRequest(run_key=str(context.scheduled_execution_time))

    return schedule
