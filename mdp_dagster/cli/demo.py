"""``make demo``: the main job over the last 60 days, against the sandbox, and what came of it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from mdp_dagster.cli.demo_world import DEMO_FOLDER, DemoError, DemoWorld, prepare_dagster_home, running_sandbox
from mdp_dagster.window import DateWindow

_TAG = "mdp/demo"


def add_commands(commands: Any) -> None:
    parser = commands.add_parser("demo", help="pull, model and check the last days of the sandbox's accounts")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=DEMO_FOLDER, help="where the demo keeps its things")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # rich and Dagster take a second to import: not at the top, for the commands that need neither
    from rich.console import Console

    from mdp_dagster.cli.report import print_report

    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=140)
    world = DemoWorld(options.folder.resolve())
    started = time.monotonic()
    try:
        prepare_dagster_home(world.dagster_home)
        console.print("[bold]Starting the sandbox[/]: Google Ads (gRPC) and the Graph API, with fictional clients")
        with running_sandbox(world) as addresses:
            window = _last_days(options.days)
            console.print(f"[bold]Running[/] the job ads_daily over {window} ({len(window)} days), one run")
            run_id, succeeded = _execute(world, world.environment(addresses), window, console)
        if not succeeded:
            console.print(f"[red]The run failed[/] → the reason is at the end of {world.run_log}")
        print_report(console, world, run_id, window)
    except DemoError as error:
        console.print(f"[red]error:[/] {error}")
        return 1
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    return 0 if succeeded else 1


def _last_days(days: int) -> DateWindow:
    last = datetime.now(timezone.utc).date()  # the demo's own calendar, whatever MDP_TIMEZONE says
    return DateWindow.of_days(last - timedelta(days=days - 1), last)


def _execute(world: DemoWorld, environment: dict[str, str], window: DateWindow, console: Any) -> tuple[str, bool]:
    from dagster import DagsterInstance

    from mdp_dagster.partitions import range_tags
    from mdp_dagster.schedules import JOB_NAME

    marker = str(uuid4())
    command = [
        sys.executable, "-m", "dagster", "job", "execute", "-m", "mdp_dagster.definitions", "-j", JOB_NAME,
        "--tags", json.dumps({**range_tags(window), _TAG: marker}),
    ]  # fmt: skip
    with world.run_log.open("w") as log:
        process = subprocess.Popen(command, cwd=world.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        with DagsterInstance.from_config(str(world.dagster_home)) as instance:
            run_id = _follow(instance, marker, process, console)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if not run_id:
        raise DemoError(f"the run did not begin → see {world.run_log}")
    return run_id, process.returncode == 0


def _follow(instance: Any, marker: str, process: subprocess.Popen[bytes], console: Any) -> str:
    """Say what each step does while it does it. Gives the run's id."""
    from dagster import DagsterEventType, RunsFilter

    run_id, cursor, began = "", None, {}
    steps = {DagsterEventType.STEP_START, DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}
    with console.status("loading the code location") as status:
        while True:
            ended = process.poll() is not None
            if not run_id:
                runs = instance.get_runs(RunsFilter(tags={_TAG: marker}), limit=1)
                run_id = runs[0].run_id if runs else ""
            if run_id:
                page = instance.get_records_for_run(run_id, cursor, of_type=steps)
                cursor = page.cursor
                for record in page.records:
                    entry = record.event_log_entry
                    event = entry.get_dagster_event()
                    if event.event_type == DagsterEventType.STEP_START:
                        began[event.step_key] = entry.timestamp
                        status.update(event.step_key)
                    else:
                        took = entry.timestamp - began.get(event.step_key, entry.timestamp)
                        mark = "[green]✓[/]" if event.event_type == DagsterEventType.STEP_SUCCESS else "[red]✗[/]"
                        console.print(f"  {mark} {event.step_key}  [dim]{took:.1f} s[/]")
            if ended:
                return run_id
            time.sleep(0.3)
