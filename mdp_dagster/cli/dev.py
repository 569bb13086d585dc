"""``make dev``: the Dagster UI and daemon on this machine.

With a .env in the repository, it uses your accounts and your warehouse. Without one, it uses the demo's data and starts
the sandbox, so that everything in the UI can be materialized.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from mdp_dagster.cli.dagster_home import prepare_dagster_home
from mdp_dagster.cli.processes import interruptible, running_process
from mdp_dagster.cli.workspace import UserWorkspace, Workspace, choose_workspace
from mdp_dagster.settings import PROJECT_ROOT


def add_commands(commands: Any) -> None:
    """Add the command ``dev``."""
    parser = commands.add_parser("dev", help="start the Dagster UI and daemon on 127.0.0.1")
    parser.add_argument("--port", type=int, default=3000, help="port of the UI (default: 3000)")
    parser.add_argument("--demo", type=Path, help="use the demo's data in this folder, even if there is a .env")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    workspace = choose_workspace(options.demo)
    try:
        with interruptible():
            return _dev(workspace, options.port)
    except KeyboardInterrupt:
        print("Ended, with everything that it started.")
        return 0


def _dev(workspace: Workspace | UserWorkspace, port: int) -> int:
    from mdp_dagster.operational.server_users import server_stopped_afterwards

    with workspace.running() as environment, server_stopped_afterwards(workspace.settings().shop_postgres_folder):
        if isinstance(workspace, UserWorkspace):
            print("Using your settings of .env and the environment.")
        else:
            state = "with the demo's data" if workspace.warehouse.exists() else "empty yet: `make demo` fills it"
            print(f"No .env: the sandbox's accounts, {state}.")
        prepare_dagster_home(workspace.dagster_home, workspace.folder_setting)
        print(f"Dagster: http://127.0.0.1:{port}  (Ctrl-C ends it)")
        command = [
            sys.executable, "-m", "dagster", "dev", "-w", str(PROJECT_ROOT / "workspace.yaml"),
            "-h", "127.0.0.1", "-p", str(port),
        ]  # fmt: skip
        return _serve(command, workspace.folder, environment)


def _serve(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    """Run Dagster until it ends or this process gets a signal, then end all its processes."""
    serving = running_process(command, stop_signal=signal.SIGINT, cwd=folder, env=environment, start_new_session=True)
    with ExitStack() as group, serving as process:
        group.callback(_kill_group, process.pid)
        return process.wait()


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
