"""Plays an act: starts its runs, and applies its faults to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from chaos.dagster_runs import dagster_runs
from chaos.database_holder import DatabaseHolder
from chaos.edits import Edits
from chaos.kills import PendingKill, count_key
from chaos.plan_model import Act, ClockJump
from chaos.processes import Running
from chaos.repeated_commands import repeat_command
from chaos.round_state import PATIENCE_SECONDS, RoundState
from chaos.run_outcomes import RunOutcome, check_outcomes, check_raw, count_api_hits
from chaos.run_starts import start
from chaos.stages import Watch

_POLL_SECONDS = 0.0005
_OPENED_IN_SECONDS = 30
_ANSWERED_IN_SECONDS = 10


@dataclass
class PendingEvent:
    """An event of an act. When it ``is_due``, ``execute`` is called until it returns True."""

    is_due: Callable[[], bool]
    execute: Callable[[], bool]


def play(round_state: RoundState, act: Act, command_lines: Callable[[], None]) -> list[int | None]:
    """Play the act until all its processes have ended and all its faults are off.

    Args:
        round_state: The round.
        act: The act.
        command_lines: Is called repeatedly while the runs work.

    Returns:
        The exit codes of the runs.
    """
    round_state.killed_in = ""
    watch = Watch(round_state.workspace, round_state.sandbox, round_state.chance)
    edits = Edits(round_state, act.edits)
    holder = DatabaseHolder(round_state.workspace) if act.kind in ("waited", "refused") else None
    before = set(dagster_runs(round_state.workspace.home))
    faults = [(fault, fault.switch_on(round_state.sandbox)) for fault in act.faults]
    with ExitStack() as obstacles:
        edits.before_the_run()
        if holder is not None:
            obstacles.callback(holder.release)
            if act.stage == "start" and holder.begin() and not holder.is_open(_OPENED_IN_SECONDS):
                round_state.problems.append("another program could not open the database, though no run was at work")
        runs = start(round_state, act)
        looks = [lambda: watch.look(runs[0]), lambda: edits.while_it_runs(watch.requests()), command_lines]
        if holder is not None:
            looks.append(lambda: holder.look(watch, runs[0]))
        events = _pending_events(round_state, _ActRun(act, runs[0], watch, holder, obstacles))
        _watch_runs(round_state, runs, events, looks)
    costly = count_api_hits(round_state, faults, round_state.window(act.window))
    round_state.sandbox.faults.clear()
    check_outcomes(round_state, RunOutcome(act, runs, costly, holder, edits.during))
    if act.way != "warm" and (runs[0].killed or runs[0].orphan) and not round_state.problems:
        repeat_command(round_state, act, runs[0], before)
    edits.after_the_run()
    check_raw(round_state, act)
    return [run.code for run in runs]


@dataclass
class _ActRun:
    """The first run of an act, with everything that acts on it."""

    act: Act
    run: Running
    watch: Watch
    holder: DatabaseHolder | None
    obstacles: ExitStack


def _pending_events(round_state: RoundState, act_run: _ActRun) -> list[PendingEvent]:
    """The events for the act's first run."""
    act, run, watch, holder = act_run.act, act_run.run, act_run.watch, act_run.holder
    counts = round_state.counts
    events = []
    if act.kind == "overlap":
        counts.count_planned("overlap", "two backfills and the daily run")
    if act.kind in ("kill", "overlap") and act.stage:
        counts.count_planned(*count_key(act, act.stage))
        sighting = watch.sighting(run, act.stage, act.times)
        events.append(PendingEvent(sighting, PendingKill(round_state, act, run, watch).execute))
    if any(fault.recipe.costs == "time" for fault in act.faults):
        counts.count_planned("kill", "waiting for a quota")
        waits = watch.sighting(run, "waiting")
        events.append(PendingEvent(waits, PendingKill(round_state, act, run, watch, "waiting for a quota").execute))
    if act.kind == "disk":
        counts.count_planned("disk", "full")
        if round_state.disk.mounted:

            def fill() -> bool:
                time.sleep(act.seconds)
                act_run.obstacles.enter_context(round_state.disk.filled(act.left_kib))
                return True

            events.append(PendingEvent(watch.sighting(run, act.stage), fill))
    if holder is not None:
        counts.count_planned("locked", act.kind)
        if act.stage != "start":
            events.append(PendingEvent(watch.sighting(run, act.stage), holder.begin))
        if act.kind == "waited":
            events.append(PendingEvent(lambda: holder.has_held_for(act.seconds), holder.release))
    if act.clock is not None:
        jump = act.clock
        counts.count_planned("clock", jump.kind)
        if jump.jump_seconds:
            events.append(
                PendingEvent(lambda: watch.requests() >= jump.after, lambda: _set_clock(round_state, jump, run))
            )
    return events


def _set_clock(round_state: RoundState, jump: ClockJump, run: Running) -> bool:
    """Move the clock of the run's process. It counts as a hit when the process has confirmed the new time."""
    assert run.jumps is not None
    with suppress(OSError, EOFError):  # the process may have ended
        run.jumps.send(jump.jump_seconds)
        if run.jumps.poll(_ANSWERED_IN_SECONDS) and run.jumps.recv():
            round_state.counts.count_hit("clock", jump.kind)
    if jump.time_passes:
        round_state.pass_time(jump.jump_seconds)
    return True


def _watch_runs(
    round_state: RoundState, runs: Sequence[Running], pending: list[PendingEvent], looks: Sequence[Callable[[], object]]
) -> None:
    """Watch until all runs have ended, except those that continue after their terminal was killed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(run.alive for run in runs):
        for look in looks:
            look()
        for event in [event for event in pending if event.is_due()]:
            if event.execute():
                pending.remove(event)
        if time.monotonic() > deadline:
            for run in (run for run in runs if run.alive):
                run.dump_stacks()
                run.kill()
                round_state.report_failure(run, f"did not end within {PATIENCE_SECONDS} s")
        time.sleep(_POLL_SECONDS)
