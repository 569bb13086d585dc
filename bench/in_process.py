"""Measurements inside a process that has loaded everything.

``python -m bench.in_process <measurement>`` runs in a workspace's environment, and prints the seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import dagster as dg

from bench.bench_workspace import TODAY
from mdp_dagster.connectors.base import DataSourceConnector
from mdp_dagster.definitions import build_definitions
from mdp_dagster.defs.ads.jobs import PROBE_JOB_NAME, reload_job, reload_sensor
from mdp_dagster.defs.ads.platforms import PROBES
from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.ingest.probe import ProbeResult
from mdp_dagster.ingest.result import IngestResult
from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration.late_data import asset as late_days
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.settings import load_settings
from mdp_dagster.window import DateWindow


def probe(instance: dg.DagsterInstance) -> dict[str, list[float]]:
    """The seconds of a run without the probe (``base_seconds``), and those that the probe adds (``extra_seconds``)."""
    job = build_definitions(load_settings()).resolve_job_def(PROBE_JOB_NAME)

    def run() -> float:
        return _timed(lambda: job.execute_in_process(instance=instance))

    run()  # imports the SDKs
    extra_seconds, base_seconds = [], []
    for _ in range(2):
        with patch.object(late_days, "probe", _skip_probe):
            base_seconds.append(run())
        extra_seconds.append(run() - base_seconds[-1])
    return {"extra_seconds": extra_seconds, "base_seconds": base_seconds}


def _skip_probe(connector: DataSourceConnector, watched: WatchedReports, days: DateWindow, *_: Any) -> ProbeResult:
    return ProbeResult(IngestResult(watched.totals, days, ""), [])


def tick(instance: dg.DagsterInstance) -> dict[str, list[float]]:
    """A sensor's tick with 500 late days of 50 accounts."""
    accounts = [str(4_000_000_000 + n) for n in range(50)]
    days = [TODAY - timedelta(days=n) for n in range(500)]
    moved = {"spend": 12.345678, "conversions": -1.25}
    late = LateDays(
        tuple(LateDay(account, day, Reason.RESTATED, moved) for account in accounts for day in days),
        dict.fromkeys(accounts, "EUR"),
        frozenset(["spend"]),
    )
    metadata = {METADATA_KEY: dg.MetadataValue.json(late.to_json())}
    instance.report_runless_asset_event(dg.AssetMaterialization("google_ads__late_days", metadata=metadata))
    sensor = reload_sensor(PROBES[0], reload_job(PROBES[0]), load_settings())

    def evaluate() -> None:
        answer: Any = sensor(dg.build_sensor_context(instance))
        assert answer.run_requests

    return {"all": [_timed(evaluate) for _ in range(5)]}


def _timed(do: Any) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def main() -> None:
    """Run the measurement in the argument."""
    measure: Any = {"probe": probe, "tick": tick}[sys.argv[1]]
    with dg.DagsterInstance.get() as instance:
        print(json.dumps(measure(instance)))


if __name__ == "__main__":
    main()
