"""A round from its plan to the comparison."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from mdp_dagster.sandbox import Sandbox
from tests.chaos import child
from tests.chaos.acts import play
from tests.chaos.disk import Disk
from tests.chaos.place import Place, make_place
from tests.chaos.plan import DAYS_BEFORE
from tests.chaos.planned import RoundPlan
from tests.chaos.processes import marked, start_warm
from tests.chaos.recovery import compare, recover, wait_for_orphans
from tests.chaos.scene import Scene, new_scene
from tests.chaos.tally import Tally


@dataclass
class Stage:
    """What all rounds have in common. ``known``: processes of the tool itself. ``recovery_seconds``: the longest that
    it took to bring a round to its end."""

    sandbox: Sandbox
    disk: Disk
    logs: Path
    home: Path
    mark: str
    tally: Tally
    known: list[int]
    recovery_seconds: float = 25

    @classmethod
    def prepare(cls, sandbox: Sandbox, disk: Disk, logs: Path, mark: str) -> Stage:
        """Start the server of warm processes, and make the DAGSTER_HOME that each round gets a copy of."""
        home = disk.folder / "home"
        (logs / "home").mkdir(parents=True)
        home.mkdir()
        place = Place(home, logs / "home", {"DAGSTER_HOME": str(home), "PATH": "/usr/bin:/bin"})
        run = start_warm(child.make_home, place, "make")
        if run.wait(120) != 0:
            raise RuntimeError(f"no DAGSTER_HOME could be made: {run.said()[-2000:]}")
        return cls(sandbox, disk, logs, home, mark, Tally(), list(marked(mark, ())))


def run_round(stage: Stage, plan: RoundPlan, deadline: float) -> Scene:
    """Play the acts while there is time, recover, and compare. What is wrong stands in ``problems``."""
    sandbox = stage.sandbox
    sandbox.faults.clear()
    sandbox.world.forget_edits()
    sandbox.requests.clear()
    now = plan.base or datetime.now(timezone.utc)
    sandbox.world.now = now
    first_day = now.astimezone(ZoneInfo(plan.zone)).date() - timedelta(days=DAYS_BEFORE)
    settings: Mapping[str, str] = {
        **sandbox.env,
        "MDP_START_DATE": str(first_day),
        "MDP_TIMEZONE": plan.zone,
    }
    place = make_place(stage.disk.folder, stage.logs, f"round-{plan.number}", stage.home, settings)
    scene = new_scene(plan, place, sandbox, stage.disk, stage.tally, now, first_day)
    for act in plan.acts:
        if time.monotonic() + stage.recovery_seconds > deadline:
            print(f"  time is nearly up: {len(plan.acts) - plan.acts.index(act)} acts are left out", flush=True)
            break
        began, before = time.monotonic(), stage.tally.hit.copy()
        ends = play(scene, act)
        hits = ", ".join(f"{group} {kind}" for group, kind in stage.tally.hit - before) or "nothing hit"
        print(f"  {time.monotonic() - began:5.1f} s  {act.kind} {act.stage}: {hits}; ended with {ends}", flush=True)
    began = time.monotonic()
    wait_for_orphans(scene, stage.mark, stage.known)
    recover(scene)
    compare(scene, stage.mark, stage.known)
    took = time.monotonic() - began
    stage.recovery_seconds = max(stage.recovery_seconds, took)
    stage.tally.work["rounds"] += 1
    print(f"  {took:5.1f} s  recovered by {plan.recovery}, and compared", flush=True)
    return scene
