"""Requests runs for the late days in the probe's event: one run for each range of days."""

from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.account_days import run_config
from mdp_dagster.orchestration.late_data.active_runs import active_runs
from mdp_dagster.orchestration.late_data.asset import late_days_name
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.late_data.plan import ProbeEvent, Request, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.orchestration.partitions import range_tags

_SECONDS_BETWEEN_TICKS = 30


def late_data_sensor(
    watched: WatchedReports, job: Any, extracting_jobs: Collection[str], times: ReloadTimes
) -> dg.SensorDefinition:
    """Returns the sensor that requests a reload of the late days that the probe found.

    A tick reads one event and the runs that are queued or running. It sends no request to the source and no query to
    the warehouse.

    Args:
        watched: The reports that the probe compares.
        job: The job that reloads the detail reports (``late_data_job``).
        extracting_jobs: The names of all other jobs that extract these reports: their runs cover late days too.
        times: When restated days may be reloaded.
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
            "days that no queued or running run covers. Restated and settled days and checkpoints wait for the times "
            "of MDP_RELOAD_CADENCE."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        memory = Memory.load(context.cursor)
        records = context.instance.fetch_materializations(events, limit=1).records
        if not records:
            return dg.SkipReason("The probe has found no late days yet.")
        record = records[0]
        if record.storage_id == memory.event_id and not memory.waiting:
            return dg.SkipReason(
                f"The probe has found no late days since {_utc(record.timestamp):%Y-%m-%d %H:%M} UTC. Days that waited "
                "then are requested after a later probe."
            )
        materialization = record.asset_materialization
        assert materialization is not None
        payload: Any = materialization.metadata[METADATA_KEY].value
        event = ProbeEvent(record.storage_id, _utc(record.timestamp), LateDays.from_json(payload))
        runs = active_runs(context.instance, watched, covering_jobs)
        planned = plan(event, runs, memory, times, datetime.now(timezone.utc))
        requests = [_run_request(request, watched, record.run_id) for request in planned.requests]
        cursor = planned.memory.dump()
        if not requests:
            return dg.SensorResult(skip_reason="; ".join(planned.explanations) or "Nothing is late.", cursor=cursor)
        if planned.explanations:
            context.log.info("; ".join(planned.explanations))
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    return sensor


def _run_request(request: Request, watched: WatchedReports, probe_run_id: str) -> dg.RunRequest:
    moved = request.late.moved()
    return dg.RunRequest(
        run_key=request.run_key,
        run_config=run_config(request.days, watched.detail_tables),
        tags={
            **range_tags(request.window),
            run_tags.ACCOUNTS: run_tags.account_list(request.late.accounts()),
            run_tags.REASON: request.late.reason(),
            **({run_tags.MOVED: moved} if moved else {}),
            run_tags.DAYS: str(request.window),
            run_tags.PROBE_RUN: probe_run_id,
        },
    )


def _utc(timestamp: float) -> datetime:
    """Returns a POSIX timestamp as a datetime in UTC."""
    return datetime.fromtimestamp(timestamp, timezone.utc)
