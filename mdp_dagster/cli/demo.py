"""``make demo``: runs the ads' job over the last 60 days, then the shops' job, against the sandbox."""

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
    parser = commands.add_parser("demo", help="extract, model and check the last 60 days of fictional clients")
    parser.add_argument("--days", type=int, default=60, help="how many days (default: 60)")
    parser.add_argument("--folder", type=Path, default=DEMO_FOLDER, help="folder for the warehouse, lake and logs")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    require_the_sandbox()
    # rich and Dagster take a second to import: not at the top, for the commands that need neither
    from mdp_dagster.cli.job_run import RunRequest
    from mdp_dagster.cli.run_progress import RunError, RunProcess, follow_run, terminal
    from mdp_dagster.cli.run_report import print_places, print_report
    from mdp_dagster.cli.shop_report import print_shop_report
    from mdp_dagster.defs.ads.platforms import AD_PLATFORMS
    from mdp_dagster.defs.shop.jobs import SHOP_JOB
    from mdp_dagster.defs.shop.shop_systems import SHOP_SYSTEMS
    from mdp_dagster.operational.server_users import server_started_meanwhile, server_stopped_afterwards
    from mdp_dagster.orchestration.partitions import range_tags

    console = terminal()
    workspace = Workspace(options.folder.resolve())
    started = time.monotonic()
    try:
        with interruptible():
            prepare_dagster_home(workspace.dagster_home, workspace.folder_setting)
            labels = ", ".join(source.label for source in (*AD_PLATFORMS, *SHOP_SYSTEMS))
            console.print(f"[bold]Starting the sandbox[/]: {labels}, with fictional clients")
            window = _last_days(options.days)
            with (
                workspace.running(first_day=window.start) as environment,
                server_stopped_afterwards(workspace.settings().shop_postgres_folder),
                server_started_meanwhile(workspace.settings().shop_postgres_folder),
                dagster_instance(workspace.dagster_home) as instance,
            ):
                console.print(f"[bold]Running[/] the job ads_daily over {window} ({len(window)} days), one run")
                ads = RunRequest(str(uuid4()), range_tags(window))
                process = RunProcess(workspace.folder, environment, workspace.run_log)
                ads_succeeded = follow_run(instance, ads, process, console)
                console.print(f"[bold]Running[/] the job {SHOP_JOB}: the shops' changes since {window.start}")
                shop = RunRequest(str(uuid4()), {}, job=SHOP_JOB)
                shop_process = RunProcess(workspace.folder, environment, workspace.shop_run_log)
                shop_succeeded = follow_run(instance, shop, shop_process, console)
        for done, log in ((ads_succeeded, workspace.run_log), (shop_succeeded, workspace.shop_run_log)):
            if not done:
                console.print(f"[red]The run failed[/] → see its log: {log}")
        print_report(console, workspace, ads.run_id, window)
        print_shop_report(console, workspace, shop.run_id, window)
        print_places(console, workspace)
    except (DemoError, RunError) as error:
        console.print(f"[red]error:[/] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("[yellow]Interrupted[/]: the demo has ended its run and its sandbox. To start again: make demo")
        return 130
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    return 0 if ads_succeeded and shop_succeeded else 1


def _last_days(days: int) -> DateWindow:
    last = datetime.now(timezone.utc).date()  # the demo's own calendar, for any MDP_TIMEZONE
    return DateWindow.of_days(last - timedelta(days=days - 1), last)
