"""Playing an act: its runs, and what happens to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from chaos.dagster_runs import dagster_runs
from chaos.database_holder import Holder
from chaos.edits import Edits
from chaos.kills import Strike, row_of
from chaos.plan_model import Act, ClockJump
from chaos.processes import Running
from chaos.repeated_commands import type_again
from chaos.round_state import PATIENCE_SECONDS, Scene
from chaos.run_outcomes import count_faults, judge, look_at_raw
from chaos.run_starts import start
from chaos.stages import Watch

_POLL_SECONDS = 0.0005
_OPENED_IN_SECONDS = 30
_ANSWERED_IN_SECONDS = 10


@dataclass
class Event:
    """``happens`` when it is ``seen``, again and again until it says that it is over."""

    seen: Callable[[], bool]
    happens: Callable[[], bool]


def play(scene: Scene, act: Act, spy: Callable[[], None]) -> list[int | None]:
    """The act, to its end: no process of it is left, no fault is on. Gives the exit codes of its runs. ``spy``: to be
    called again and again while they are at work."""
    scene.told = ""
    watch = Watch(scene.place, scene.sandbox, scene.chance)
    edits = Edits(scene, act.edits)
    holder = Holder(scene.place) if act.kind in ("waited", "refused") else None
    before = set(dagster_runs(scene.place.home))
    faults = [(fault, fault.switch_on(scene.sandbox)) for fault in act.faults]
    with ExitStack() as obstacles:
        edits.before_the_run()
        if holder is not None:
            obstacles.callback(holder.let_go)
            if act.stage == "start" and holder.begin() and not holder.is_open(_OPENED_IN_SECONDS):
                scene.problems.append("another program could not open the database, though no run was at work")
        runs = start(scene, act)
        looks = [lambda: watch.look(runs[0]), lambda: edits.while_it_runs(watch.requests()), spy]
        if holder is not None:
            looks.append(lambda: holder.look(watch, runs[0]))
        _accompany(scene, runs, _events(scene, act, runs[0], watch, obstacles, holder), looks)
    costly = count_faults(scene, faults, scene.window(act.window))
    scene.sandbox.faults.clear()
    judge(scene, act, runs, costly, holder, edits.during)
    if act.way != "warm" and (runs[0].killed or runs[0].left_alone) and not scene.problems:
        type_again(scene, act, runs[0], before)
    edits.after_the_run()
    look_at_raw(scene, act)
    return [run.code for run in runs]


def _events(
    scene: Scene, act: Act, run: Running, watch: Watch, obstacles: ExitStack, holder: Holder | None
) -> list[Event]:
    """What is to happen to the act's first run."""
    tally = scene.tally
    events = []
    if act.kind == "overlap":
        tally.plan("overlap", "two backfills and the daily run")
    if act.kind in ("kill", "overlap") and act.stage:
        tally.plan(*row_of(act, act.stage))
        sight = watch.sight(run, act.stage, act.times)
        events.append(Event(sight, Strike(scene, act, run, watch).happens))
    if any(fault.recipe.costs == "time" for fault in act.faults):
        tally.plan("kill", "waiting for a quota")
        waits = watch.sight(run, "waiting")
        events.append(Event(waits, Strike(scene, act, run, watch, "waiting for a quota").happens))
    if act.kind == "disk":
        tally.plan("disk", "full")
        if scene.disk.mounted:

            def fill() -> bool:
                time.sleep(act.seconds)
                obstacles.enter_context(scene.disk.filled(act.left_kib))
                return True

            events.append(Event(watch.sight(run, act.stage), fill))
    if holder is not None:
        tally.plan("locked", act.kind)
        if act.stage != "start":
            events.append(Event(watch.sight(run, act.stage), holder.begin))
        if act.kind == "waited":
            events.append(Event(lambda: holder.has_held_for(act.seconds), holder.let_go))
    if act.clock is not None:
        jump = act.clock
        tally.plan("clock", jump.kind)
        if jump.jump_seconds:
            events.append(Event(lambda: watch.requests() >= jump.after, lambda: _set_clock(scene, jump, run)))
    return events


def _set_clock(scene: Scene, jump: ClockJump, run: Running) -> bool:
    """It counts when the run's process has answered that its clock is another one now."""
    assert run.jumps is not None
    with suppress(OSError, EOFError):  # it may have ended
        run.jumps.send(jump.jump_seconds)
        if run.jumps.poll(_ANSWERED_IN_SECONDS) and run.jumps.recv():
            scene.tally.met("clock", jump.kind)
    if jump.time_passes:
        scene.time_passes(jump.jump_seconds)
    return True


def _accompany(
    scene: Scene, runs: Sequence[Running], pending: list[Event], looks: Sequence[Callable[[], object]]
) -> None:
    """Until all have ended; not those that a killed terminal has left alone."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(run.alive for run in runs):
        for look in looks:
            look()
        for event in [event for event in pending if event.seen()]:
            if event.happens():
                pending.remove(event)
        if time.monotonic() > deadline:
            for run in (run for run in runs if run.alive):
                run.say_where_it_stands()
                run.kill()
                scene.has_failed(run, f"hasn't ended in {PATIENCE_SECONDS} s")
        time.sleep(_POLL_SECONDS)
