"""Playing an act: a run, and what happens to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date

from mdp_dagster.cli.backfill_runs import Backfill
from mdp_dagster.cli.job_run import Order
from mdp_dagster.partitions import range_tags
from mdp_dagster.sandbox.faults import Fault
from mdp_dagster.window import DateWindow
from tests.chaos import child
from tests.chaos.api_faults import ApiFault
from tests.chaos.planned import Act, Edit
from tests.chaos.processes import Running, start_command, start_holder, start_warm
from tests.chaos.scene import Scene
from tests.chaos.stages import Watch

PATIENCE_SECONDS = 90
"""For the end of a run. What waits longer hangs."""
_LOCK_SECONDS = "3"
_POLL_SECONDS = 0.0005
_DISK_WORDS = ("No space left", "disk is full", "File too large", "disk I/O error", "[Errno 28]", "[Errno 27]")
_LOCK_WORDS = ("Could not set lock on file", "is in use: ")


@dataclass
class Event:
    """What happens when something is seen, once."""

    seen: Callable[[], bool]
    happens: Callable[[], None]


def play(scene: Scene, act: Act) -> list[int | None]:
    """The act, to its end: no process of it is left, no fault is on. Gives the exit codes of its runs."""
    watch = Watch(scene.place, scene.sandbox, scene.chance)
    faults = [(fault, fault.switch_on(scene.sandbox)) for fault in act.faults]
    with ExitStack() as obstacles:
        extra = {"MDP_LOCK_TIMEOUT_SECONDS": _LOCK_SECONDS} if act.kind in ("waited", "refused") else {}
        edits = list(act.edits)
        _change_due(scene, edits, 0, "before the run")
        if act.kind in ("waited", "refused") and act.stage == "start":
            _hold(scene, act, obstacles)
        runs = _start(scene, act, extra)
        events = _events(scene, act, runs, watch, obstacles)
        events += [Event(lambda: _change_due(scene, edits, watch.requests()), lambda: None)] * bool(edits)
        _accompany(scene, runs, events)
    _judge(scene, act, runs, faults, {scene.day(edit.days_ago) for edit in act.edits if edit.after})
    _change_due(scene, edits, None, "after the run")
    scene.sandbox.faults.clear()
    return [run.code for run in runs]


def _start(scene: Scene, act: Act, extra: dict[str, str]) -> list[Running]:
    window = scene.window(act.window)
    if act.way == "materialize":
        selection = ("--select", "*", "--partition-range", f"{window.start}...{window.last}")
        command = ("dagster", "asset", "materialize", "-m", "mdp_dagster.definitions", *selection)
        return [start_command(scene.place, scene.name("materialize"), *command)]
    if act.way.startswith("backfill"):
        command = ("mdp_dagster", "backfill", str(window.start), str(window.last))
        return [start_command(scene.place, scene.name("backfill"), *command)]
    if act.kind == "overlap":
        scene.tally.plan("overlap", "two backfills and the daily run")
        one, other = scene.window((6, 2)), scene.window((4, 1))
        return [_backfill(scene, one), _backfill(scene, other), _daily(scene)]
    special: dict[str, object] = {"extra": extra}
    if act.kind == "disk" and not scene.disk.mounted:
        file = scene.place.warehouse_file
        special["file_bytes"] = (file.stat().st_size if file.exists() else 0) + 1024 * (64 + act.left_kib)
    special["report_runs"] = any(fault.recipe.report_runs for fault in act.faults)
    if scene.clock is not None:
        special["clock"] = scene.clock + (act.clock.skew_seconds if act.clock else 0)
    return [run_window(scene, window, act.kind, **special)]


def run_window(scene: Scene, window: DateWindow, name: str, **special: object) -> Running:
    """A run of the main job."""
    order = Order(scene.new_run_id(), range_tags(window))
    run = start_warm(child.materialize, scene.place, scene.name(name), order.dump(), **special)
    run.run_id = order.run_id
    return run


def _backfill(scene: Scene, window: DateWindow) -> Running:
    """As ``make backfill`` starts it."""
    order = Order(scene.new_run_id(), Backfill(window, "*").tags(None))
    name = scene.name("backfill")
    return start_warm(child.materialize, scene.place, name, order.dump(), clock=scene.clock)


def _daily(scene: Scene) -> Running:
    return start_warm(child.run_daily, scene.place, scene.name("daily"), scene.new_run_id(), clock=scene.clock)


def _events(scene: Scene, act: Act, runs: list[Running], watch: Watch, obstacles: ExitStack) -> list[Event]:
    """What is to happen to the act's runs."""
    run, events = runs[0], []
    if act.kind in ("kill", "overlap") and act.stage:
        scene.tally.plan("kill", act.stage)
        events.append(Event(watch.sight(run, act.stage), lambda: _kill(scene, act, run, watch)))
    if any(fault.recipe.costs == "time" for fault in act.faults):
        scene.tally.plan("kill", "waiting for a quota")
        waits = watch.sight(run, "waiting")
        events.append(Event(waits, lambda: _kill(scene, act, run, watch, "waiting for a quota")))
    if act.kind == "disk":
        scene.tally.plan("disk", "full")
        if scene.disk.mounted:

            def fill() -> None:
                time.sleep(act.seconds)
                obstacles.enter_context(scene.disk.filled(act.left_kib))

            events.append(Event(watch.sight(run, act.stage), fill))
    if act.kind in ("waited", "refused"):
        scene.tally.plan("locked", act.kind)
        if act.stage != "start":
            events.append(Event(watch.sight(run, act.stage), lambda: _hold(scene, act, obstacles)))
    if act.clock is not None:
        jump = act.clock
        scene.tally.plan("clock", jump.kind)

        def set_clock() -> None:
            assert run.jumps is not None
            run.jumps.send(jump.jump_seconds)
            if jump.time_passes:
                scene.time_passes(jump.jump_seconds)
            scene.tally.met("clock", jump.kind)

        events.append(Event(lambda: watch.requests() >= jump.after, set_clock))
    return events


def _change_due(scene: Scene, edits: list[Edit], requests: int | None, when: str = "") -> bool:
    """Change the days whose turn has come, and forget the edits. Whether none is left. ``requests``: so many were made;
    None: there will be no more."""
    for edit in [edit for edit in edits if requests is None or edit.after <= requests]:
        edits.remove(edit)
        scene.tally.plan("restated", edit.kind)
        scene.tally.met("restated", f"{edit.kind}, {when}" if when else edit.kind)
        _change(scene, edit)
    return not edits


def _change(scene: Scene, edit: Edit) -> None:
    """The platform says something else of the day from now on."""
    world, day = scene.sandbox.world, scene.day(edit.days_ago)
    if edit.kind == "restate":
        metrics = ("impressions", "clicks", "spend", "conversions", "conversion_value")
        world.restate(edit.platform, edit.account_id, day, factor=edit.factor, metrics=metrics)
    elif edit.kind == "empty":
        world.empty_day(edit.platform, edit.account_id, day)
    else:
        world.add_rows(edit.platform, edit.account_id, day)
    scene.stale.add(day)


def _kill(scene: Scene, act: Act, run: Running, watch: Watch, stage: str = "") -> None:
    time.sleep(act.seconds)
    in_dbt = watch.builds()
    if run.kill(terminal_only=act.way == "backfill's terminal"):
        scene.kills += 1
        scene.kills_in_dbt += in_dbt
        # who has gone on into dbt meanwhile was killed there
        scene.tally.met("kill", stage or ("dbt" if in_dbt else "after dbt" if act.stage == "dbt" else act.stage))
        if act.way != "warm":
            scene.tally.met("kill", f"the command: {act.way}")


def _hold(scene: Scene, act: Act, obstacles: ExitStack) -> None:
    """Another program opens the warehouse."""
    scene.place.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
    process, said = start_holder(child.hold_database, str(scene.place.warehouse_file), act.seconds)
    obstacles.callback(process.join)
    if act.stage == "start":
        said.poll(30)


def _accompany(scene: Scene, runs: list[Running], events: list[Event]) -> None:
    """Until all have ended, and those that a killed terminal has left alone."""
    pending = list(events)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(run.alive for run in runs):
        for event in [event for event in pending if event.seen()]:
            pending.remove(event)
            event.happens()
        if time.monotonic() > deadline:
            for run in runs:
                run.say_where_it_stands()
                if run.kill():
                    scene.has_failed(run, f"hasn't ended in {PATIENCE_SECONDS} s")
        time.sleep(_POLL_SECONDS)


def _judge(
    scene: Scene, act: Act, runs: list[Running], faults: list[tuple[ApiFault, Fault]], changed: set[date]
) -> None:
    """What the runs' ends say, and which days they have left missing or stale. ``changed``: these may have been pulled
    before they changed."""
    costly = False
    for planned, fault in faults:
        name = f"{planned.recipe.platform} {planned.recipe.kind}"
        scene.tally.plan("api", name)
        scene.tally.met("api", name, fault.hits)
        if fault.hits and planned.recipe.kind == "malformed":
            scene.rejected.update(scene.window(act.window).days())
        costly |= bool(fault.hits) and planned.recipe.costs != "nothing"
    may_fail = costly or act.kind in ("disk", "refused", "clock")
    for run in runs:
        window = scene.days if run.name.endswith("daily") else scene.window(act.window)
        clean = run.code == 0 and not costly and not run.left_alone
        if not clean:
            scene.stale.update(window.days())
        elif len(runs) == 1 and not (act.clock and act.clock.time_passes):
            scene.stale.difference_update(set(window.days()) - changed)
        if run.code != 0 and not run.killed and not may_fail:
            scene.has_failed(run, f"ended with {run.code}, though nothing happened that it doesn't get over")
    _count_obstacles(scene, act, runs[0])


def _count_obstacles(scene: Scene, act: Act, run: Running) -> None:
    """Obstacles that a run has met, by what it says."""
    if act.kind == "disk" and run.code != 0:
        scene.tally.met("disk", "full")
        scene.cut_off += 1
        if run.code is None or not any(word in run.said() for word in _DISK_WORDS):
            scene.has_failed(run, "failed on a full disk without saying so")
    if act.kind in ("waited", "refused"):
        if run.code == 0:
            scene.tally.met("locked", "waited")
        elif any(word in run.said() for word in _LOCK_WORDS):
            scene.tally.met("locked", "refused")
        elif not act.faults:
            scene.has_failed(run, "failed beside a locked database without saying so")
    if act.kind == "overlap":
        scene.tally.met("overlap", "two backfills and the daily run")
