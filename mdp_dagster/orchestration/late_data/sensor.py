"""Requests runs for the late days in the probe's event: one run for each range of days."""

import time
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.late_data.asset import late_days_name
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.late_data.plan import ActiveRun, Memory, ProbeEvent, Request, plan
from mdp_dagster.orchestration.partitions import partition_window, range_tags

_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_SECONDS_BETWEEN_TICKS = 30
_SILENT_SECONDS = 3600


def late_data_sensor(watched: WatchedReports, job: Any, extracting_jobs: Collection[str]) -> dg.SensorDefinition:
    """Returns the sensor that requests a reload of the late days that the probe found.

    A tick reads one event and the runs that are queued or running. It sends no request to the source and no query to
    the warehouse.

    Args:
        watched: The reports that the probe compares.
        job: The job that reloads the detail reports (``late_data_job``).
        extracting_jobs: The names of all other jobs that extract these reports: their runs cover late days too.
    """
    covering_jobs = frozenset((*extracting_jobs, job.name))
    events = dg.AssetKey(late_days_name(watched.source))

    @dg.sensor(
        name=f"{watched.source}_late_data_sensor",
        job=job,
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Late days of {', '.join(watched.detail_tables)}, from {events.to_user_string()}: one run per range of "
            "days that no queued or running run covers."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        memory = Memory.load(context.cursor)
        records = context.instance.fetch_materializations(events, limit=1).records
        if not records:
            return dg.SkipReason("The probe has found no late days yet.")
        record = records[0]
        if record.storage_id == memory.event_id and not memory.waiting:
            return dg.SkipReason(f"The probe has found no late days since {_utc(record.timestamp):%Y-%m-%d %H:%M} UTC.")
        materialization = record.asset_materialization
        assert materialization is not None
        payload: Any = materialization.metadata[METADATA_KEY].value
        event = ProbeEvent(record.storage_id, _utc(record.timestamp), LateDays.from_json(payload))
        runs = _active_runs(context.instance, watched, covering_jobs)
        planned = plan(event, runs, memory, datetime.now(timezone.utc))
        requests = [_run_request(request, record.run_id) for request in planned.requests]
        cursor = planned.memory.dump()
        if not requests:
            return dg.SensorResult(skip_reason="; ".join(planned.explanations) or "Nothing is late.", cursor=cursor)
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    return sensor


def _run_request(request: Request, probe_run_id: str) -> dg.RunRequest:
    moved = request.late.moved()
    return dg.RunRequest(
        run_key=request.run_key,
        tags={
            **range_tags(request.window),
            run_tags.ACCOUNTS: ",".join(request.late.accounts()),
            run_tags.REASON: request.late.reason(),
            **({run_tags.MOVED: moved} if moved else {}),
            run_tags.DAYS: str(request.window),
            run_tags.PROBE_RUN: probe_run_id,
        },
    )


def _active_runs(
    instance: dg.DagsterInstance, watched: WatchedReports, covering_jobs: Collection[str]
) -> Iterator[ActiveRun]:
    """Yields the queued and running runs that extract all detail reports.

    A run stays *started* in Dagster after its machine has died, so a run without an event in the last hour is left out.
    At worst, two runs extract the same day.
    """
    tables = {dg.AssetKey(table) for table in watched.detail_tables}
    for record in instance.get_run_records(dg.RunsFilter(statuses=_ACTIVE)):
        run = record.dagster_run
        window = partition_window(run.tags)
        selected = run.asset_selection
        extracts = run.job_name in covering_jobs if selected is None else tables <= selected
        if window is None or not extracts or _is_silent(instance, run):
            continue
        accounts = run_tags.accounts_of(run.tags)
        yield ActiveRun(
            run.run_id,
            window,
            None if accounts is None else frozenset(accounts),
            None if record.start_time is None else _utc(record.start_time),
        )


def _is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Returns whether a started run has not logged any event in the last hour."""
    if run.status is not dg.DagsterRunStatus.STARTED:
        return False
    newest = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return bool(newest) and time.time() - newest[0].timestamp > _SILENT_SECONDS


def _utc(timestamp: float) -> datetime:
    """Returns a POSIX timestamp as a datetime in UTC."""
    return datetime.fromtimestamp(timestamp, timezone.utc)
