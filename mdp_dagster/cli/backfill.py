"""``make backfill``: one run of the main job over a range of days. It shows its progress and can be continued."""

from __future__ import annotations

import argparse
import shlex
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mdp_dagster.cli.dagster_home import dagster_instance, prepare_dagster_home
from mdp_dagster.cli.processes import interruptible
from mdp_dagster.cli.workspace import DemoError, UserWorkspace, Workspace, choose_workspace
from mdp_dagster.settings import Settings
from mdp_dagster.window import DateWindow

if TYPE_CHECKING:
    from rich.console import Console

    from mdp_dagster.cli.backfill_runs import Backfill


class BackfillError(Exception):
    """The backfill can't start. The message names the reason and the remedy."""


def add_commands(commands: Any) -> None:
    """Add the command ``backfill``."""
    parser = commands.add_parser(
        "backfill",
        help="extract, model and check a range of days; repeat it to continue an interrupted one",
    )
    parser.add_argument("first", metavar="FIRST", help="the first day, e.g. 2024-01-01")
    parser.add_argument("last", metavar="LAST", help="the last day, included")
    parser.add_argument(
        "--select",
        default="*",
        help="the assets with days, as a Dagster asset selection, e.g. kind:dbt (default: all)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="extract every day again, including those that an interrupted run has committed",
    )
    parser.add_argument("--demo", type=Path, help="use the demo's data in this folder, even if there is a .env")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    workspace = choose_workspace(options.demo)
    window = _window(options.first, options.last, workspace.settings())
    # imported after the arguments are checked, because it takes seconds
    from mdp_dagster.cli.backfill_runs import Backfill, BackfillRunning
    from mdp_dagster.cli.run_progress import RunError, terminal

    console = terminal()
    backfill = Backfill(window, options.select.strip() or "*")
    try:
        with interruptible():
            prepare_dagster_home(workspace.dagster_home, workspace.folder_setting)
            return _backfill(backfill, workspace, options.fresh, console)
    except (DemoError, RunError, BackfillRunning) as error:
        raise BackfillError(str(error)) from error
    except KeyboardInterrupt:
        console.print(f"[yellow]Interrupted[/]: {_how_to_continue(backfill)}", highlight=False)
        return 130


def _backfill(backfill: Backfill, workspace: Workspace | UserWorkspace, fresh: bool, console: Console) -> int:
    from mdp_dagster.cli.backfill_runs import locked_backfill, unfinished_run
    from mdp_dagster.cli.job_run import RunRequest
    from mdp_dagster.cli.run_progress import RunProcess, follow_run
    from mdp_dagster.cli.run_report import print_checks

    started = time.monotonic()
    with (
        locked_backfill(workspace.dagster_home, backfill) as lock,
        dagster_instance(workspace.dagster_home) as instance,
    ):
        unfinished = unfinished_run(instance, backfill)
        continues = None if fresh else unfinished
        accounts = (
            "your settings"
            if isinstance(workspace, UserWorkspace)
            else "no .env, so the demo's data with its own sandbox"
        )
        days = f"{backfill.window} ({len(backfill.window)} days)"
        console.print(f"[bold]Backfill[/] {days}, {backfill.select}: {accounts}", highlight=False)
        if continues:
            console.print(f"Continuing run {continues}: it skips committed days (--fresh extracts all days again)")
        request = RunRequest(str(uuid4()), backfill.tags(continues), backfill.select)
        console.print(f"Run {request.run_id} in {workspace.dagster_home}", highlight=False)
        with workspace.running("sandbox-backfill") as environment:
            process = RunProcess(workspace.folder, environment, backfill.log(workspace.dagster_home), [lock])
            succeeded = follow_run(instance, request, process, console)
        print_checks(console, instance, request.run_id)
    if succeeded:
        console.print(f"Done in {time.monotonic() - started:.0f} s.")
        return 0
    console.print(f"[red]The run failed[/] → see its log: {process.log}")
    console.print(_how_to_continue(backfill), highlight=False)
    return 1


def _how_to_continue(backfill: Backfill) -> str:
    select = "" if backfill.select == "*" else f" SELECT={shlex.quote(backfill.select)}"
    command = f"make backfill FROM={backfill.window.start} TO={backfill.window.last}{select}"
    return f"to continue, run the same command again: {command}; it skips committed days"


def _window(first: str, last: str, settings: Settings) -> DateWindow:
    from mdp_dagster.orchestration.partitions import today

    try:
        window = DateWindow.of_days(date.fromisoformat(first), date.fromisoformat(last))
    except ValueError as error:
        raise BackfillError(
            f"from {first!r} to {last!r}: {error} → give two days, for example 2024-01-01 2024-12-31"
        ) from error
    if window.start < settings.start_date:
        raise BackfillError(
            f"{window.start} is before the first partition → start at {settings.start_date}, or set "
            f"MDP_START_DATE={window.start}"
        )
    if window.last > today(settings):
        raise BackfillError(f"{window.last} is in the future → end at {today(settings)} ({settings.timezone})")
    return window
