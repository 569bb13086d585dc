"""Deletes old runs from Dagster's storage, with their events. Dagster itself deletes only the ticks of schedules.

Dagster shows a partition as materialized because the storage has a materialization of it. So a run stays, however old,
while one of its events is the newest one of its kind for an asset, a day or a check.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import dagster as dg
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from sqlalchemy import delete, func, select

from mdp_dagster.orchestration.services import Services
from mdp_dagster.settings import Settings

JOB_NAME = "event_retention"
_EVERY_NIGHT = "40 3 * * *"
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_RUNS_AT_A_TIME = 200


@dataclass(frozen=True)
class DeletedRuns:
    """The result of a deletion.

    Args:
        deleted: How many runs were deleted.
        kept: How many runs of the same age stay, because the state of an asset, a day or a check comes from them.
    """

    deleted: int
    kept: int


def delete_old_runs(instance: dg.DagsterInstance, before: datetime) -> DeletedRuns:
    """Deletes the runs that finished before a time, except those that the current state comes from.

    A deletion that is interrupted continues with the next call.

    Args:
        instance: The instance. Its event log is in SQLite or PostgreSQL.
        before: The time.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return DeletedRuns(0, 0)
    needed = _needed_runs(storage)
    old = instance.get_run_records(dg.RunsFilter(statuses=_FINISHED, created_before=before, updated_before=before))
    run_ids = [record.dagster_run.run_id for record in old]
    deletable = [run_id for run_id in run_ids if run_id not in needed]
    for first in range(0, len(deletable), _RUNS_AT_A_TIME):
        _delete(instance, storage, deletable[first : first + _RUNS_AT_A_TIME])
    return DeletedRuns(len(deletable), len(run_ids) - len(deletable))


def _needed_runs(storage: SqlEventLogStorage) -> set[str]:
    """Returns the runs of the newest event of each asset, day and kind, and of the newest verdict of each check."""
    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    newest_events = (
        select(func.max(events.id))
        .where(events.asset_key.is_not(None))
        .group_by(events.asset_key, events.dagster_event_type, events.partition)
    )
    newest_checks = select(func.max(checks.id)).group_by(checks.asset_key, checks.check_name, checks.execution_status)
    with storage.index_connection() as connection:
        found = [
            *connection.execute(select(events.run_id).where(events.id.in_(newest_events)).distinct()).scalars(),
            *connection.execute(select(checks.run_id).where(checks.id.in_(newest_checks)).distinct()).scalars(),
        ]
    return set(found)


def _delete(instance: dg.DagsterInstance, storage: SqlEventLogStorage, run_ids: Sequence[str]) -> None:
    """Deletes runs. A run's own record is last: while it exists, an interrupted deletion can be continued."""
    with storage.index_connection() as connection:  # Dagster would leave these rows
        connection.execute(delete(AssetCheckExecutionsTable).where(AssetCheckExecutionsTable.c.run_id.in_(run_ids)))
    for run_id in run_ids:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        storage.delete_events(run_id)
        instance.run_storage.delete_run(run_id)


def event_retention_job() -> dg.JobDefinition:
    """Returns the job that deletes the runs older than ``MDP_EVENT_RETENTION_DAYS``."""

    @dg.op(name="delete_old_runs", required_resource_keys={"services"})
    def delete_op(context: dg.OpExecutionContext) -> None:
        services: Services = context.resources.services
        days = services.settings.event_retention_days
        if not days:
            context.log.info("MDP_EVENT_RETENTION_DAYS is 0: no run is deleted")
            return
        result = delete_old_runs(context.instance, datetime.now(timezone.utc) - timedelta(days=days))
        context.log.info(
            f"deleted {result.deleted} runs older than {days} days; {result.kept} stay, because the newest event of an "
            "asset's day or of a check is theirs"
        )

    @dg.job(
        name=JOB_NAME,
        description="Delete runs older than MDP_EVENT_RETENTION_DAYS, except those that the current state comes from.",
    )
    def job() -> None:
        delete_op()

    return job


def event_retention_schedule(settings: Settings, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Returns the schedule of the job."""
    return dg.ScheduleDefinition(
        name=f"{JOB_NAME}_schedule",
        job=job,
        cron_schedule=_EVERY_NIGHT,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night: delete old runs and their events from Dagster's storage.",
    )
