"""A run of the main job, in a process of its own, and what it is doing, on the terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus
from rich.console import Console
from rich.markup import escape

from mdp_dagster.cli.job_run import Order

_POLL_SECONDS = 0.3
_STOP_SECONDS = 30


class RunError(Exception):
    """A run that did not begin. Says why, or where to look."""


@dataclass(frozen=True)
class Start:
    """How a run's process is started. ``log``: where what it says goes. ``inherits``: files that it keeps open."""

    folder: Path
    environment: dict[str, str]
    log: Path
    inherits: Sequence[int] = ()


def terminal() -> Console:
    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=140)


def follow_run(instance: dg.DagsterInstance, order: Order, start: Start, console: Console) -> bool:
    """Start the run, say what it does while it does it, and whether it succeeded.

    A run whose process dies without a word is marked as failed. Ctrl-C ends the run too, then is raised.
    Raises ``RunError`` when it didn't begin.
    """
    try:
        with _process(order, start) as process, console.status("loading the code location") as status:
            teller = _Teller(instance, order.run_id, console, status)
            while process.poll() is None:
                teller.tell()
                time.sleep(_POLL_SECONDS)
            teller.tell()
    except KeyboardInterrupt:
        _settle(instance, order.run_id, "it was interrupted from the terminal")
        raise
    said = f"its process ended with code {process.returncode} before the run did (killed, or out of memory)"
    if _settle(instance, order.run_id, said):
        console.print(f"  [red]✗[/] the run: {said} → see {start.log}", highlight=False)
    run = instance.get_run_by_id(order.run_id)
    if run is None:
        raise RunError(_last_words(start.log))
    return run.status == DagsterRunStatus.SUCCESS


def _settle(instance: dg.DagsterInstance, run_id: str, said: str) -> bool:
    """Mark a run as failed that could not do so itself before its process ended."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, said)
    return True


@contextmanager
def _process(order: Order, start: Start) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "mdp_dagster.cli.job_run", order.dump()]
    start.log.parent.mkdir(parents=True, exist_ok=True)
    with start.log.open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=start.folder,
            env=start.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=start.inherits,
        )
    try:
        yield process
    finally:
        with suppress(subprocess.TimeoutExpired):
            if process.poll() is None:
                process.terminate()  # Dagster ends the step, and records that the run was interrupted
                process.wait(_STOP_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()


class _Teller:
    """Reads the run's events as they come, and prints those that people wait for."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, console: Console, status: Any) -> None:
        self._instance = instance
        self._run_id = run_id
        self._console = console
        self._status = status
        self._cursor: str | None = None
        self._began: dict[str, float] = {}
        self._made: dict[str, str] = {}

    def tell(self) -> None:
        more = True
        while more:
            page = self._instance.get_records_for_run(self._run_id, self._cursor, limit=1000)
            self._cursor, more = page.cursor, page.has_more
            for record in page.records:
                entry = record.event_log_entry
                if entry.dagster_event is not None:
                    self._event(entry.dagster_event, entry.timestamp)
                elif entry.step_key:
                    self._said(entry.step_key, entry.user_message)

    def _said(self, step: str, message: str) -> None:
        own = message.startswith(f"{step}: ")  # what is for people who follow names its table first
        self._status.update(escape(message if own else f"{step}: {message}"))
        if own:
            self._console.print(f"    [dim]{escape(message)}[/]", highlight=False)

    def _event(self, event: dg.DagsterEvent, at: float) -> None:
        step, kind = event.step_key or "", event.event_type
        if kind == DagsterEventType.STEP_START:
            self._began[step] = at
            self._status.update(step)
        elif kind == DagsterEventType.ASSET_MATERIALIZATION:
            self._made[step] = _summary(event.materialization.metadata)
        elif kind == DagsterEventType.STEP_UP_FOR_RETRY:
            self._console.print(f"  [yellow]…[/] {step} waits, then tries again: {escape(_reason(event))}")
        elif kind == DagsterEventType.STEP_SUCCESS:
            took = at - self._began.get(step, at)
            self._console.print(
                f"  [green]✓[/] {step}  [dim]{took:.1f} s{self._made.get(step, '')}[/]", highlight=False
            )
        elif kind in (DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE):
            self._console.print(f"  [red]✗[/] {step or 'the run'}: {escape(_reason(event))}", highlight=False)


def _summary(metadata: Any) -> str:
    """Of a raw table: rows, accounts, restated days."""
    if "accounts" not in metadata:
        return ""
    rows, accounts = metadata["rows"].value, metadata["accounts"].value
    restated = len(metadata["restated_days"].value)
    beyond = metadata.get("days_beyond_history")
    return f", {accounts} accounts, {rows:,} rows, {restated} restated days" + (
        f", {beyond.value} days beyond the platform's history" if beyond else ""
    )


def _reason(event: dg.DagsterEvent) -> str:
    """The cause of a failure that names a remedy, else its first cause, in its own words."""
    error = getattr(event.event_specific_data, "error", None)
    if error is None:
        return event.message or "no reason given"
    while error.cause is not None and " → " not in error.message:
        error = error.cause
    kind, _, words = error.message.partition(": ")
    return str(words if words and " " not in kind else error.message).strip()


def _last_words(log: Path) -> str:
    """Why a process ended before its run began."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else f"the run did not begin: {lines[-1] if lines else 'no word'} → see {log}"
