"""What the end of an act's runs says: was it to be expected, and is everything there that should be by now?"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime, timedelta

from chaos.api_faults import ApiFault
from chaos.comparison import problems_now
from chaos.dagster_runs import dagster_runs, overlapped, without_end
from chaos.database_holder import Holder
from chaos.ledger_agreement import raw_problems
from chaos.plan_model import AccountDay, Act
from chaos.processes import Running
from chaos.raw_contents import lost_problems, pulls
from chaos.round_state import Scene
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.warehouse.base import Warehouse, WarehouseError
from mdp_dagster.window import DateWindow
from sandbox.faults import Fault

_DISK_WORDS = ("No space left", "disk is full", "File too large", "disk I/O error", "[Errno 28]", "[Errno 27]")
_LOCK_WORDS = ("Could not set lock on file", "is in use: ")


def count_faults(scene: Scene, faults: list[tuple[ApiFault, Fault]], window: DateWindow) -> bool:
    """Whether one of them has hit that may cost a run rows or its success."""
    costly = False
    for planned, fault in faults:
        name = f"{planned.recipe.platform} {planned.recipe.kind}"
        scene.tally.plan("api", name)
        scene.tally.met("api", name, fault.hits)
        if fault.hits and planned.recipe.kind == "malformed":
            scene.rejected.update(window.days())
        costly |= bool(fault.hits) and planned.recipe.costs != "nothing"
    return costly


def judge(
    scene: Scene, act: Act, runs: list[Running], costly: bool, holder: Holder | None, during: Collection[AccountDay]
) -> None:
    """What the runs' ends say, and which days they have left missing or stale. ``during``: these may have been pulled
    before they changed."""
    refused = act.kind == "refused" and holder is not None and holder.contended
    for run in runs:
        window = scene.days if run.name.endswith("daily") else scene.window(act.window)
        if run.code != 0 or costly:
            scene.stale.update(window.days())
        # a clock that is set back knows of pulls in the ledger alone: one that landed before and was never committed
        # stays the newest in the lake
        if (costly and run.killed) or (act.clock is not None and act.clock.kind == "set back"):
            scene.unsettled.update(window.days())
        if run.code != 0 and not (run.killed or run.left_alone or costly or refused or act.kind == "disk"):
            scene.has_failed(run, f"ended with {run.code}, though nothing happened that it doesn't get over")
    _count_obstacles(scene, act, runs, holder)
    explain_runs(scene, runs, cut_off=act.kind == "disk")
    time_passed = act.clock is not None and act.clock.time_passes
    if len(runs) == 1 and runs[0].code == 0 and not costly and not time_passed:
        has_succeeded(scene, act, during)


def has_succeeded(scene: Scene, act: Act, during: Collection[AccountDay] = ()) -> None:
    """A run of the act's window, by itself, with nothing in its way that it may not get over: all is there now."""
    window = scene.window(act.window)
    scene.stale.difference_update(set(window.days()) - {day for _, _, day in during})
    try:
        with scene.place.snapshot() as warehouse:
            compared, problems = problems_now(warehouse, scene.sandbox.world, window, during)
    except WarehouseError as error:
        compared, problems = 0, [f"the warehouse can't be read: {error}"]
    scene.tally.work["rows compared"] += compared
    scene.tally.work["days compared"] += len(window)
    scene.problems += [f"right after a run of {window} that succeeded: {problem}" for problem in problems]


def look_at_raw(scene: Scene, act: Act) -> None:
    """However the act has ended, raw has all that it had before, and agrees with its ledger."""
    try:
        with scene.place.snapshot() as warehouse:
            kept = pulls(warehouse)
            scene.problems += list(lost_problems(scene.kept, kept, "raw has changed"))[:5]
            if kept:
                scene.problems += raw_problems(warehouse)[:5]
            if kept and act.clock is not None and act.clock.skew_seconds:
                scene.tally.met("clock", act.clock.kind, _is_ahead(warehouse, scene.now, act.clock.skew_seconds))
            scene.kept = kept
    except WarehouseError as error:
        scene.problems.append(f"the warehouse can't be read: {error}")


def _is_ahead(warehouse: Warehouse, now: datetime, seconds: float) -> bool:
    """Whether the newest pull says that it began at a time that hasn't come."""
    [row] = warehouse.query(f"select max(extracted_at) as newest from {EXTRACTS.id}").to_pylist()
    return row["newest"] is not None and row["newest"] > now.replace(tzinfo=None) + timedelta(seconds=seconds / 2)


def explain_runs(scene: Scene, runs: list[Running], cut_off: bool = False) -> None:
    """Runs that Dagster takes to be under way: those that were killed, or had no disk to write to, and no other."""
    new = without_end(scene.place.home) - scene.without_end
    for run in runs:
        if run.left_alone or (run.killed and not run.run_id):
            scene.without_end |= set(sorted(new)[:1])  # a command's, the only one
        elif run.killed or (cut_off and run.code != 0):
            scene.without_end.add(run.run_id)
    if unexplained := new - scene.without_end:
        scene.problems.append(f"runs without an end, that nobody killed: {sorted(unexplained)}")


def _count_obstacles(scene: Scene, act: Act, runs: list[Running], holder: Holder | None) -> None:
    """Obstacles that a run has met, by what it says."""
    run = runs[0]
    if act.kind == "disk" and run.code != 0:
        scene.tally.met("disk", "full")
        if not any(word in run.said() for word in _DISK_WORDS):
            scene.has_failed(run, "failed on a full disk without saying so")
    if holder is not None and holder.contended:
        scene.tally.met("locked", act.kind)
        if act.kind == "refused" and run.code == 0:
            scene.has_failed(run, "succeeded, though the database was locked for longer than it waits")
        elif act.kind == "refused" and not any(word in run.said() for word in _LOCK_WORDS):
            scene.has_failed(run, "failed beside a locked database without saying so")
    if act.kind == "overlap":
        told = dagster_runs(scene.place.home)
        mine = [told[each.run_id] for each in runs if each.run_id in told]
        if overlapped(mine, scene.clock or time.time()):
            scene.tally.met("overlap", "two backfills and the daily run")
