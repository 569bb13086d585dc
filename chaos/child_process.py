"""The entry points of MDP's warm processes. They run the same code as the commands, but with imports already loaded."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chaos.sabotage import SABOTAGES, VARIABLE

PRELOADED = [
    "chaos.child_process",
    "mdp_dagster.cli.job_run",
    "mdp_dagster.definitions",
    "dbt.cli.main",
    "dbt.adapters.duckdb",
    "google.ads.googleads.client",
    "google.oauth2.service_account",
    "facebook_business.api",
    "pyarrow.parquet",
]
_PROBES_AT_MOST = 4
_HELD_AT_MOST_SECONDS = 120


@dataclass(frozen=True)
class ProcessSettings:
    """The settings of a process.

    Args:
        environment: Its environment variables.
        folder: Its working directory.
        log: The file for its output.
        clock: The time that it starts with. None for the real time.
        file_bytes: The maximum size of its files. None for no limit.
        report_runs: Whether Meta's reports are requested asynchronously, as for large accounts.
        commit_pause_seconds: How long it waits after each commit to the warehouse, before it closes the file.
        extra: More environment variables.
    """

    environment: dict[str, str]
    folder: Path
    log: Path
    clock: float | None = None
    file_bytes: int | None = None
    report_runs: bool = False
    commit_pause_seconds: float = 0
    extra: dict[str, str] = field(default_factory=dict)


def materialize(setting: ProcessSettings, jumps: Connection, order: str) -> None:
    """A run of the main job, as ``make backfill`` and ``make demo`` start it."""
    _apply_settings(setting, jumps)
    from mdp_dagster.cli.job_run import main

    sys.exit(main([order]))


def run_daily(setting: ProcessSettings, jumps: Connection, run_id: str) -> None:
    """The run that the daily schedule requests."""
    _apply_settings(setting, jumps)
    import dagster as dg

    from mdp_dagster.cli.job_run import RunRequest, main
    from mdp_dagster.definitions import build_definitions
    from mdp_dagster.settings import load_settings

    with dg.DagsterInstance.get() as instance:
        schedule = build_definitions(load_settings()).resolve_schedule_def("ads_daily_schedule")
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(timezone.utc))
        [request] = schedule.evaluate_tick(context).run_requests or []
    tags = {**request.tags, "dagster/schedule_name": schedule.name}
    sys.exit(main([RunRequest(run_id, tags).dump()]))


def reload_late_days(setting: ProcessSettings, jumps: Connection) -> None:
    """Run the probe and the sensors' runs until no day is late: MDP's own recovery."""
    _apply_settings(setting, jumps)
    import dagster as dg

    from mdp_dagster.definitions import build_definitions
    from mdp_dagster.defs.ads.jobs import PROBE_JOB_NAME
    from mdp_dagster.defs.ads.platforms import PLATFORM_NAMES
    from mdp_dagster.settings import load_settings

    definitions = build_definitions(load_settings())
    cursors: dict[str, str | None] = {}
    with dg.DagsterInstance.get() as instance:

        def run(job: str, request: dg.RunRequest) -> None:
            definition = definitions.resolve_job_def(job)
            result = definition.execute_in_process(
                request.run_config, instance=instance, tags=dict(request.tags), raise_on_error=False
            )
            if not result.success:
                sys.exit(f"error: {job} failed with {request.tags}")

        for _ in range(_PROBES_AT_MOST):
            run(PROBE_JOB_NAME, dg.RunRequest())
            requested = 0
            for source in PLATFORM_NAMES:
                sensor = definitions.resolve_sensor_def(f"{source}_late_data_sensor")
                answer = sensor.evaluate_tick(dg.build_sensor_context(instance, cursor=cursors.get(source)))
                cursors[source] = answer.cursor
                print(f"{source}: {answer.skip_message or len(answer.run_requests or [])}")
                for request in answer.run_requests or []:
                    requested += 1
                    run(f"{source}_late_data", request)
            if not requested:
                sys.exit(0)
    sys.exit("error: days are still late after their reload")


def hold_database(path: str, orders: Connection) -> None:
    """Keep the warehouse open like another program. Sends "open" when it is open, and closes it on any message."""
    import duckdb

    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            with duckdb.connect(path), suppress(OSError, EOFError):
                orders.send("open")
                orders.poll(_HELD_AT_MOST_SECONDS)
                return
        except duckdb.Error:
            time.sleep(0.01)


def make_home(setting: ProcessSettings, jumps: Connection) -> None:
    """Create a DAGSTER_HOME with its storage."""
    _apply_settings(setting, jumps)
    from mdp_dagster.cli.dagster_home import prepare_dagster_home

    prepare_dagster_home(Path(setting.environment["DAGSTER_HOME"]))


def _apply_settings(setting: ProcessSettings, jumps: Connection) -> None:
    sabotage = os.environ.get(VARIABLE)
    os.environ.clear()
    os.environ.update({**setting.environment, **setting.extra})
    tempfile.tempdir = None
    os.chdir(setting.folder)
    log = os.open(setting.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # stays open
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Prints the stacks of a process that hangs. To the log's own descriptor, because Dagster redirects a step's output.
    faulthandler.register(signal.SIGUSR1, log, all_threads=True)
    _shorten_waits(setting.report_runs)
    if setting.commit_pause_seconds:
        _lengthen_commits(setting.commit_pause_seconds)
    if sabotage:
        SABOTAGES[sabotage]()
    if setting.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (setting.file_bytes, setting.file_bytes))
    if setting.clock is not None:
        from chaos.clock import set_clock

        set_clock(setting.clock, jumps)


def _lengthen_commits(pause_seconds: float) -> None:
    """Wait after each commit. A commit lasts for milliseconds, so on a busy machine a kill would often miss it."""
    from mdp_dagster.warehouse import duckdb

    transaction = duckdb._transaction

    @contextmanager
    def with_pause(connection: Any) -> Iterator[None]:
        with transaction(connection):
            yield
        time.sleep(pause_seconds)

    duckdb._transaction = with_pause


def _shorten_waits(report_runs: bool) -> None:
    """Shorten the connectors' waits from minutes to seconds. They still occur in the same places."""
    from mdp_dagster import definitions
    from mdp_dagster.connectors.google_ads import GoogleAdsConnector
    from mdp_dagster.connectors.meta_ads import MetaAdsConnector
    from mdp_dagster.connectors.meta_ads.async_run import AsyncPolicy
    from mdp_dagster.connectors.retry import RetryPolicy

    retry = RetryPolicy(attempts=8, first_wait_seconds=0.1, longest_quota_wait_seconds=3)
    runs: dict[str, Any] = {"above_rows": 0} if report_runs else {}
    asynchronous = AsyncPolicy(first_poll_seconds=0.1, longest_poll_seconds=0.5, longest_run_seconds=2, **runs)

    class FastGoogleAds(GoogleAdsConnector):
        def __init__(self) -> None:
            super().__init__(retry=retry)

    class FastMetaAds(MetaAdsConnector):
        def __init__(self) -> None:
            super().__init__(retry=retry, asynchronous=asynchronous, pause_seconds=0.2)

    fast: dict[str, Any] = {kind.source: kind for kind in (FastGoogleAds, FastMetaAds)}
    definitions.SOURCES = tuple(
        replace(source, new_connector=fast[source.name]) if source.name in fast else source
        for source in definitions.SOURCES
    )
