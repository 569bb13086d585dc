"""A round from its plan to the comparison."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from chaos import child_process
from chaos.acts import play
from chaos.disk import Disk
from chaos.fault_counts import Tally
from chaos.place import Place, make_place
from chaos.plan import DAYS_BEFORE
from chaos.plan_model import Act, RoundPlan
from chaos.processes import marked, start_warm
from chaos.recovery import compare, recover
from chaos.round_state import Scene, new_scene
from chaos.secret_leaks import Spy, secrets_of
from sandbox import Sandbox


@dataclass
class Session:
    """What all rounds have in common. ``known``: processes of the tool itself. ``now``: when rounds begin that have no
    time of their own; None for the real one. ``recovery_seconds``, ``act_seconds``: the longest that it took to bring a
    round to its end, and to play an act, by its kind and way."""

    sandbox: Sandbox
    disk: Disk
    logs: Path
    home: Path
    mark: str
    tally: Tally
    known: list[int]
    now: datetime | None
    recovery_seconds: float = 25
    act_seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    def has_time_for(self, act: Act, deadline: float) -> bool:
        """And for the recovery after it."""
        likely = 10.0 if act.way == "warm" and act.kind != "overlap" else 30.0
        longest = self.act_seconds.get((act.kind, act.way), likely)
        return time.monotonic() + longest + self.recovery_seconds < deadline

    @classmethod
    def prepare(cls, sandbox: Sandbox, disk: Disk, logs: Path, mark: str, now: datetime | None) -> Session:
        """Start the server of warm processes, and make the DAGSTER_HOME that each round gets a copy of."""
        home = disk.folder / "home"
        (logs / "home").mkdir(parents=True)
        home.mkdir()
        place = Place(home, logs / "home", {"DAGSTER_HOME": str(home), "PATH": "/usr/bin:/bin"})
        run = start_warm(child_process.make_home, place, "make")
        if run.wait(120) != 0:
            raise RuntimeError(f"no DAGSTER_HOME could be made: {run.said()[-2000:]}")
        return cls(sandbox, disk, logs, home, mark, Tally(), list(marked(mark, ())), now)


def run_round(session: Session, plan: RoundPlan, deadline: float) -> Scene:
    """Play the acts while there is time, and one at least; recover, and compare. The first thing that is wrong ends it,
    and stands in ``problems``."""
    sandbox = session.sandbox
    sandbox.faults.clear()
    sandbox.world.forget_edits()
    sandbox.requests.clear()
    now = plan.base or session.now or datetime.now(timezone.utc)
    sandbox.world.now = now
    first_day = now.astimezone(ZoneInfo(plan.zone)).date() - timedelta(days=DAYS_BEFORE)
    settings: Mapping[str, str] = {
        **sandbox.env,
        "MDP_START_DATE": str(first_day),
        "MDP_TIMEZONE": plan.zone,
    }
    place = make_place(session.disk.folder, session.logs, f"round-{plan.number}", session.home, settings)
    sets_clocks = plan.base is not None or session.now is not None
    scene = new_scene(plan, place, sandbox, session.disk, session.tally, now, first_day, sets_clocks)
    print(f"  now is {now.isoformat()}", flush=True)
    spy = Spy(session.mark, secrets_of(sandbox.env))
    for number, act in enumerate(plan.acts):
        if number and not session.has_time_for(act, deadline):
            print(f"  time is nearly up, left out: {act.kind} {act.stage}".rstrip(), flush=True)
            continue
        _play(session, scene, act, spy)
        if scene.problems:
            return scene
    began = time.monotonic()
    recover(scene)
    compare(scene, session.mark, session.known)
    took = time.monotonic() - began
    session.recovery_seconds = max(session.recovery_seconds, took)
    session.tally.work["rounds"] += 1
    print(f"  {took:5.1f} s  recovered by {plan.recovery}, and compared", flush=True)
    return scene


def _play(session: Session, scene: Scene, act: Act, spy: Spy) -> None:
    began, before = time.monotonic(), session.tally.hit.copy()
    ends = play(scene, act, spy.look)
    scene.problems += sorted(spy.found)
    hits = ", ".join(f"{group} {kind}" for group, kind in session.tally.hit - before) or "nothing hit"
    about = f"{act.kind} {act.stage}".rstrip() + (f" ({scene.told})" if scene.told else "")
    took = time.monotonic() - began
    session.act_seconds[act.kind, act.way] = max(session.act_seconds.get((act.kind, act.way), 0), took)
    print(f"  {took:5.1f} s  {about}: {hits}; ended with {ends}", flush=True)
