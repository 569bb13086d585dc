"""Hours of an agency with many accounts: probes, reloads and morning runs on a simulated clock.

``python -m bench.simulated_hours ACCOUNTS HOURS`` runs in a workspace's environment, and prints its counts as JSON. The
sandbox is in this process, so that its clock is the same.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
from dagster._utils.schedules import schedule_execution_time_iterator

from bench.bench_workspace import accounts_of
from mdp_dagster.definitions import build_definitions
from mdp_dagster.defs.ads.jobs import JOB_NAME, PROBE_JOB_NAME
from mdp_dagster.defs.ads.platforms import PLATFORM_NAMES
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.settings import Settings, load_settings
from mdp_dagster.window import DateWindow
from sandbox import Sandbox, World

DAYS = 30
_TICKS_AT_MOST = 6
_GRPC_MODULES = ("grpc._cython.cygrpc", "grpc._channel", "grpc._common", "grpc._server")
_COLUMNS = ("impressions", "clicks", "spend", "conversions", "conversion_value")
Numbers = dict[tuple[str, str, date], tuple[int, ...]]


class Agency:
    """MDP with many accounts, next to a sandbox.

    Args:
        sandbox: The sandbox.
        accounts: The accounts by platform.
        instance: The Dagster instance.
        clock: The process's clock.
    """

    def __init__(
        self, sandbox: Sandbox, accounts: dict[str, list[str]], instance: dg.DagsterInstance, clock: Any
    ) -> None:
        self._sandbox, self._world, self._instance, self._clock = sandbox, sandbox.world, instance, clock
        self._accounts = {platform: set(ids) for platform, ids in accounts.items()}
        self._definitions = build_definitions(load_settings())
        self._cursors: dict[str, str | None] = {}
        self.runs: Counter[str] = Counter()
        self.requests_of_jobs: dict[str, Counter[str]] = {platform: Counter() for platform in accounts}

    def set_time(self, at: datetime, *, also_of_platforms: bool = True) -> None:
        """Sets the clock of MDP. Without the platforms' clock, their numbers stay."""
        self._clock.move_to(at)
        if also_of_platforms:
            self._world.now = at

    def schedule(self, start: datetime, end: datetime) -> list[tuple[datetime, str]]:
        """Returns when the schedules request which jobs."""
        found: list[tuple[datetime, str]] = []
        for job in (JOB_NAME, PROBE_JOB_NAME):
            schedule = self._definitions.resolve_schedule_def(f"{job}_schedule")
            times = schedule_execution_time_iterator(
                start.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone
            )
            found += [(at.astimezone(timezone.utc), job) for at in takewhile(lambda at: at <= end, times)]
        return sorted(found)

    def load(self, window: DateWindow) -> None:
        """Runs the main job over a window."""
        self._run(JOB_NAME, range_tags(window))

    def run_morning(self) -> None:
        """Runs what the daily schedule requests."""
        self._run_schedule(JOB_NAME)

    def probe(self) -> None:
        """Runs what the probe's schedule requests, then what the sensors request."""
        self._run_schedule(PROBE_JOB_NAME)
        for source in PLATFORM_NAMES:
            sensor = self._definitions.resolve_sensor_def(f"{source}_late_data_sensor")
            for _ in range(_TICKS_AT_MOST):
                context = dg.build_sensor_context(self._instance, cursor=self._cursors.get(source))
                answer = sensor.evaluate_tick(context)
                self._cursors[source] = answer.cursor
                for request in answer.run_requests or []:
                    self._run(f"{source}_late_data", dict(request.tags), request.run_config)
                if not answer.run_requests:
                    break

    def _run_schedule(self, job_name: str) -> None:
        schedule = self._definitions.resolve_schedule_def(f"{job_name}_schedule")
        context = dg.build_schedule_context(self._instance, scheduled_execution_time=datetime.now(timezone.utc))
        for request in schedule.evaluate_tick(context).run_requests or []:
            self._run(job_name, dict(request.tags), request.run_config)

    def _run(self, job_name: str, tags: dict[str, str], run_config: Any = None) -> None:
        job = self._definitions.resolve_job_def(job_name)
        self.runs[job_name] += 1
        before = Counter(self.requests())
        with duckdb.connect(os.environ["MDP_DUCKDB_PATH"]):  # an open file saves the cost of opening it again
            result = job.execute_in_process(
                instance=self._instance, tags=tags, run_config=dict(run_config or {}), raise_on_error=False
            )
        if not result.success:
            raise RuntimeError(f"{job_name} failed with {tags}")
        for platform, number in (Counter(self.requests()) - before).items():
            self.requests_of_jobs[platform][job_name] += number

    def numbers(self, window: DateWindow) -> Numbers:
        """Returns the platforms' current totals of each account and day."""
        sums: Numbers = {}
        for platform, ids in self._accounts.items():
            for account in (account for account in self._world.accounts(platform) if account.id in ids):
                for row in self._world.campaign_days(account, window.start, window.end):
                    key = platform, account.id, row.day
                    values = tuple(getattr(row.metrics, name) for name in _COLUMNS)
                    sums[key] = tuple(map(sum, zip(sums.get(key, (0,) * len(values)), values, strict=True)))
        return sums

    def differing_rows(self, window: DateWindow, rows: list[dict[str, Any]]) -> int:
        """Returns how many rows of the mart are missing, additional or different, compared with the platforms'."""
        ids = [id_ for ids in self._accounts.values() for id_ in ids]
        names = ("date", "platform", "account_id", "campaign_id", *_COLUMNS)
        truth = {
            tuple(row[name] for name in names)
            for row in self._world.truth(None, window.start, window.end, account_ids=ids)
        }
        return len(truth ^ {tuple(row[name] for name in names) for row in rows})

    def requests(self) -> dict[str, int]:
        """Returns how many requests each platform has received."""
        return {platform: self._sandbox.requests.count(platform) for platform in self._accounts}


def simulate(settings: Settings, agency: Agency, start: datetime, hours: int) -> dict[str, Any]:
    """Loads the last days, simulates the hours, and returns what was counted.

    After the hours, the platforms' numbers stay, and MDP has until the next morning to show all of them.
    """
    window = DateWindow.of_days(settings.start_date, start.date())
    agency.set_time(start)
    agency.load(window)
    after_load = {"ledger": _count("mdp_raw.raw__extracts"), "events": _event_bytes()}
    agency.runs.clear()
    for of_jobs in agency.requests_of_jobs.values():
        of_jobs.clear()
    known, changed = agency.numbers(window), 0
    end = start + timedelta(hours=hours)
    for at, job in agency.schedule(start, end):
        agency.set_time(at)
        if job == JOB_NAME:
            agency.run_morning()
            continue
        window = DateWindow.of_days(settings.start_date, at.date())
        found = agency.numbers(window)
        changed += sum(found.get(key) != known.get(key) for key in found.keys() | known.keys())
        known = found
        agency.probe()
        print(f"{at:%a %H:%M}: {dict(agency.runs)}, requests: {agency.requests()}", flush=True)
    counted = {
        "changed": changed,
        "ledger_rows": _count("mdp_raw.raw__extracts") - after_load["ledger"],
        "requests": {platform: dict(of_jobs) for platform, of_jobs in agency.requests_of_jobs.items()},
        "runs": dict(agency.runs),
        "event_mib": (_event_bytes() - after_load["events"]) / 2**20,
        "files": _files(Path(settings.lake_uri)),
    }
    morning = (end + timedelta(days=1)).replace(hour=5, minute=0)
    agency.set_time(morning, also_of_platforms=False)
    agency.run_morning()
    for later in (20, 80):
        agency.set_time(morning + timedelta(minutes=later), also_of_platforms=False)
        agency.probe()
    return {**counted, "differing_rows": agency.differing_rows(window, _mart(window))}


def _count(table: str) -> int:
    with duckdb.connect(os.environ["MDP_DUCKDB_PATH"]) as connection:
        [[number]] = connection.execute(f"select count(*) from {table}").fetchall()
    return int(number)


def _mart(window: DateWindow) -> list[dict[str, Any]]:
    with duckdb.connect(os.environ["MDP_DUCKDB_PATH"]) as connection:
        found = connection.execute(
            "select * from mdp_marts.mart_campaign__daily where date >= ? and date < ?", [window.start, window.end]
        )
        rows: list[dict[str, Any]] = found.to_arrow_table().to_pylist()
        return rows


def _event_bytes() -> int:
    home = Path(os.environ["DAGSTER_HOME"])
    return sum(file.stat().st_size for file in home.rglob("*.db*"))


def _files(lake: Path) -> dict[str, int]:
    """Returns how many files there are, and the most of one run and report. Rejects are apart."""
    folders = Counter(path.parent for path in lake.rglob("*.parquet") if not path.name.endswith(".rejects.parquet"))
    return {"all": sum(folders.values()), "most_of_a_run": max(folders.values())}


@contextmanager
def _simulated_clock(start: datetime) -> Iterator[Any]:
    """Sets this process's time of day. gRPC's core keeps the machine's clock, so its deadlines must have it too."""
    import time_machine
    from time_machine import escape_hatch

    machine_time = ModuleType("time")
    machine_time.__dict__.update(vars(time), time=escape_hatch.time.time)
    for name in _GRPC_MODULES:
        import_module(name).time = machine_time  # type: ignore[attr-defined]
    with time_machine.travel(start, tick=True) as clock:
        yield clock


def main() -> None:
    """Simulate, and print the counts."""
    accounts, hours = int(sys.argv[1]), int(sys.argv[2])
    start = datetime.now(timezone.utc).replace(hour=6, minute=0, second=0, microsecond=0)
    logging.getLogger("dagster").setLevel(logging.WARNING)
    world = World(now=start, accounts=8 + accounts)
    with (
        _simulated_clock(start) as clock,
        Sandbox(world, Path(os.environ["DAGSTER_HOME"]).parent / "sandbox") as sandbox,
    ):
        os.environ.update(sandbox.env)
        with dg.DagsterInstance.get() as instance:
            agency = Agency(sandbox, accounts_of(accounts), instance, clock)
            counted = simulate(load_settings(), agency, start, hours)
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
