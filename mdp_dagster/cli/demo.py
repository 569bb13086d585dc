"""``make demo``: runs the main job over the last 60 days against the sandbox, and prints the result."""

from __future__ import annotations

import argparse
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from mdp_dagster.cli.dagster_home import dagster_instance, prepare_dagster_home
from mdp_dagster.cli.processes import interruptible
from mdp_dagster.cli.workspace import DEMO_FOLDER, DemoError, Workspace, require_the_sandbox
from mdp_dagster.window import DateWindow


def add_commands(commands: Any) -> None:
    """Add the command ``demo``."""
    parser = commands.add_parser("demo", help="extract, model and check the last 60 days of fictional ad accounts")
    parser.add_argument("--days", type=int, default=60, help="how many days (default: 60)")
    parser.add_argument("--folder", type=Path, default=DEMO_FOLDER, help="folder for the warehouse, lake and logs")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    require_the_sandbox()
    # rich and Dagster take a second to import: not at the top, for the commands that need neither
    from mdp_dagster.cli.job_run import RunRequest
    from mdp_dagster.cli.run_progress import RunError, RunProcess, follow_run, terminal
    from mdp_dagster.cli.run_report import print_report
    from mdp_dagster.defs.ads.platforms import AD_PLATFORMS
    from mdp_dagster.orchestration.partitions import range_tags

    console = terminal()
    workspace = Workspace(options.folder.resolve())
    started = time.monotonic()
    try:
        with interruptible():
            prepare_dagster_home(workspace.dagster_home, workspace.folder_setting)
            platforms = ", ".join(platform.label for platform in AD_PLATFORMS)
            console.print(f"[bold]Starting the sandbox[/]: {platforms}, with fictional clients")
            with workspace.running() as environment, dagster_instance(workspace.dagster_home) as instance:
                window = _last_days(options.days)
                console.print(f"[bold]Running[/] the job ads_daily over {window} ({len(window)} days), one run")
                request = RunRequest(str(uuid4()), range_tags(window))
                process = RunProcess(workspace.folder, environment, workspace.run_log)
                succeeded = follow_run(instance, request, process, console)
        if not succeeded:
            console.print(f"[red]The run failed[/] → see its log: {workspace.run_log}")
        print_report(console, workspace, request.run_id, window)
    except (DemoError, RunError) as error:
        console.print(f"[red]error:[/] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("[yellow]Interrupted[/]: the demo has ended its run and its sandbox. To start again: make demo")
        return 130
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    return 0 if succeeded else 1


def _last_days(days: int) -> DateWindow:
    last = datetime.now(timezone.utc).date()  # the demo's own calendar, for any MDP_TIMEZONE
    return DateWindow.of_days(last - timedelta(days=days - 1), last)
