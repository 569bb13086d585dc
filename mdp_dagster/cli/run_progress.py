"""Runs the main job in its own process, and shows its progress on the terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus
from rich.console import Console
from rich.markup import escape

from mdp_dagster.cli.job_run import RunRequest
from mdp_dagster.cli.processes import deferred_interruption, running_process

_POLL_SECONDS = 0.3
_STOP_SECONDS = 120  # only catches a hang


class RunError(Exception):
    """The run did not start. The message names the reason or the log."""


@dataclass(frozen=True)
class RunProcess:
    """The process of a run.

    Args:
        folder: Its working directory.
        environment: Its environment variables.
        log: The file for its output.
        inherited_files: File descriptors that it keeps open.
    """

    folder: Path
    environment: dict[str, str]
    log: Path
    inherited_files: Sequence[int] = ()


def terminal() -> Console:
    """A console that does not wrap lines."""
    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=140)


def follow_run(instance: dg.DagsterInstance, request: RunRequest, process: RunProcess, console: Console) -> bool:
    """Start a run, show its progress, and return whether it succeeded.

    If the process dies without an error, the run is marked as failed. Ctrl-C ends the run too.

    Raises:
        RunError: the run did not start.
        KeyboardInterrupt: after Ctrl-C, when the run has ended.
    """
    try:
        with _started(request, process) as running, console.status("loading the code location") as status:
            progress = _ProgressPrinter(instance, request.run_id, console, status)
            while running.poll() is None:
                with deferred_interruption():
                    progress.print_new_events()
                time.sleep(_POLL_SECONDS)
            progress.print_new_events()
    except KeyboardInterrupt:
        _mark_as_failed(instance, request.run_id, "it was interrupted from the terminal")
        raise
    reason = f"its process ended with code {running.returncode} before the run did (killed, or out of memory)"
    if _mark_as_failed(instance, request.run_id, reason):
        console.print(f"  [red]✗[/] the run: {reason} → see {process.log}", highlight=False)
    run = instance.get_run_by_id(request.run_id)
    if run is None:
        raise RunError(_startup_error(process.log))
    return run.status == DagsterRunStatus.SUCCESS


def _mark_as_failed(instance: dg.DagsterInstance, run_id: str, reason: str) -> bool:
    """Mark the run as failed if it has not finished. Returns whether it was marked."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, reason)
    return True


@contextmanager
def _started(request: RunRequest, run_process: RunProcess) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "mdp_dagster.cli.job_run", request.dump()]
    run_process.log.parent.mkdir(parents=True, exist_ok=True)
    with (
        run_process.log.open("w") as log,
        running_process(  # after SIGTERM, Dagster ends the step, and records that the run was interrupted
            command,
            stop_seconds=_STOP_SECONDS,
            cwd=run_process.folder,
            env=run_process.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=run_process.inherited_files,
        ) as process,
    ):
        yield process


class _ProgressPrinter:
    """Reads new events of a run, and prints those that matter to the user."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, console: Console, status: Any) -> None:
        self._instance = instance
        self._run_id = run_id
        self._console = console
        self._status = status
        self._cursor: str | None = None
        self._started_at: dict[str, float] = {}
        self._materialized: dict[str, str] = {}

    def print_new_events(self) -> None:
        """Print the events since the last call."""
        more = True
        while more:
            page = self._instance.get_records_for_run(self._run_id, self._cursor, limit=1000)
            self._cursor, more = page.cursor, page.has_more
            for record in page.records:
                entry = record.event_log_entry
                if entry.dagster_event is not None:
                    self._print_event(entry.dagster_event, entry.timestamp)
                elif entry.step_key:
                    self._print_message(entry.step_key, entry.user_message)

    def _print_message(self, step: str, message: str) -> None:
        for_users = message.startswith(f"{step}: ")  # messages for users start with the table's name
        self._status.update(escape(message if for_users else f"{step}: {message}"))
        if for_users:
            self._console.print(f"    [dim]{escape(message)}[/]", highlight=False)

    def _print_event(self, event: dg.DagsterEvent, at: float) -> None:
        step, kind = event.step_key or "", event.event_type
        if kind == DagsterEventType.STEP_START:
            self._started_at[step] = at
            self._status.update(step)
        elif kind == DagsterEventType.ASSET_MATERIALIZATION:
            self._materialized[step] = _summary(event.materialization.metadata)
        elif kind == DagsterEventType.STEP_UP_FOR_RETRY:
            self._console.print(f"  [yellow]…[/] {step} will be retried: {escape(_reason(event))}")
        elif kind == DagsterEventType.STEP_SUCCESS:
            took = at - self._started_at.get(step, at)
            self._console.print(
                f"  [green]✓[/] {step}  [dim]{took:.1f} s{self._materialized.get(step, '')}[/]", highlight=False
            )
        elif kind in (DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE):
            self._console.print(f"  [red]✗[/] {step or 'the run'}: {escape(_reason(event))}", highlight=False)


def _summary(metadata: Any) -> str:
    """Rows, accounts and restated days of a raw table, or the text `summary`. Empty for other assets."""
    if "summary" in metadata:
        return f", {metadata['summary'].value}"
    if "accounts" not in metadata:
        return ""
    rows, accounts = metadata["rows"].value, metadata["accounts"].value
    restated = len(metadata["restated_days"].value)
    beyond = metadata.get("days_beyond_history")
    return f", {accounts} accounts, {rows:,} rows, {restated} restated days" + (
        f", {beyond.value} days beyond the platform's history" if beyond else ""
    )


def _reason(event: dg.DagsterEvent) -> str:
    """The message of the outermost cause that names a remedy, else of the first cause."""
    error = getattr(event.event_specific_data, "error", None)
    if error is None:
        return event.message or "no reason given"
    while error.cause is not None and " → " not in error.message:
        error = error.cause
    kind, _, words = error.message.partition(": ")
    return str(words if words and " " not in kind else error.message).strip()


def _startup_error(log: Path) -> str:
    """Why the process ended before the run started, from its log."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else f"the run did not start: {lines[-1] if lines else 'no output'} → see {log}"
