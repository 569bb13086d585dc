"""From the probe's event to runs: exactly the late days, one run for each range of them."""

import time
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.domain import LATE_DATA, STAGING, Domain
from mdp_dagster.orchestration.late_data.asset import late_days_name
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.late_data.plan import ActiveRun, Memory, Request, plan, utc
from mdp_dagster.orchestration.partitions import range_tags, window_of_tags

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_SECONDS_BETWEEN_TICKS = 30
_SILENT_SECONDS = 3600


def late_data_job(
    totals: DayReport, report: DayReport, domain: Domain, left_out_checks: Collection[dg.AssetCheckKey] = ()
) -> Any:
    """Returns the job that reloads days of a report and rebuilds the domain's assets that depend on it.

    The job builds the staging models of all sources: a model that reads several sources must not read one that is older
    than its raw table. The totals are not extracted again, because the probe has extracted them.

    Args:
        totals: The report of account totals that the probe compares with.
        report: The report to reload.
        domain: The domain of both. The job selects no other domain's assets.
        left_out_checks: Checks that are about the daily run's window, not about the reloaded days.
    """
    extracted = dg.AssetSelection.assets(totals.table, report.table)
    return dg.define_asset_job(
        f"{report.source}_late_data",
        selection=((extracted.downstream() & domain.assets()) | domain.layer(STAGING))
        - dg.AssetSelection.assets(totals.table)
        - domain.layer(LATE_DATA)
        - dg.AssetSelection.checks(*left_out_checks),
        description=f"Reload late days of {report.table}, of the accounts in the run's tags, and what is made of it.",
    )


def late_data_sensor(report: DayReport, job: Any, extracting_jobs: Collection[str]) -> dg.SensorDefinition:
    """Returns the sensor that requests a reload of the late days that the probe found.

    A tick reads one event and the runs that are queued or running. It sends no request to the source and no query to
    the warehouse.

    Args:
        report: The report to reload.
        job: The job that reloads it (``late_data_job``).
        extracting_jobs: The names of all other jobs that extract the report: their runs cover late days too.
    """
    covering_jobs = frozenset((*extracting_jobs, job.name))
    events = dg.AssetKey(late_days_name(report.source))

    @dg.sensor(
        name=f"{report.source}_late_data_sensor",
        job=job,
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Late days of {report.table}, as {events.to_user_string()} says: one run per range of days that no queued "
            "or running run covers."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        memory = Memory.load(context.cursor)
        records = context.instance.fetch_materializations(events, limit=1).records
        if not records:
            return dg.SkipReason("The probe has found no late days yet.")
        event = records[0]
        if event.storage_id == memory.event_id and not memory.waiting:
            return dg.SkipReason(f"The probe has found no late days since {utc(event.timestamp):%Y-%m-%d %H:%M} UTC.")
        materialization = event.asset_materialization
        assert materialization is not None
        payload: Any = materialization.metadata[METADATA_KEY].value
        late = LateDays.from_json(payload)
        planned = plan(
            event.storage_id,
            utc(event.timestamp),
            late,
            _runs_under_way(context.instance, report, covering_jobs),
            memory,
            datetime.now(timezone.utc),
        )
        requests = [_run_request(request, event.run_id) for request in planned.requests]
        cursor = planned.memory.dump()
        if not requests:
            return dg.SensorResult(skip_reason="; ".join(planned.said) or "Nothing is late.", cursor=cursor)
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


def _runs_under_way(
    instance: dg.DagsterInstance, report: DayReport, covering_jobs: Collection[str]
) -> Iterator[ActiveRun]:
    """Yields the queued and running runs that extract the report.

    When a machine dies, its run stays *started* in Dagster. A run without an event for an hour is therefore left out.
    At worst, two runs extract the same day.
    """
    raw = dg.AssetKey(report.table)
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run = record.dagster_run
        window = window_of_tags(run.tags)
        selected = run.asset_selection
        pulls = run.job_name in covering_jobs if selected is None else raw in selected
        if window is None or not pulls or _is_silent(instance, run):
            continue
        accounts = run_tags.accounts_of(run.tags)
        yield ActiveRun(
            run.run_id,
            window,
            None if accounts is None else frozenset(accounts),
            None if record.start_time is None else utc(record.start_time),
        )


def _is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    if run.status is not dg.DagsterRunStatus.STARTED:
        return False
    newest = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return bool(newest) and time.time() - newest[0].timestamp > _SILENT_SECONDS
