"""A round, from its plan to the comparison."""

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
from chaos.fault_counts import FaultCounts
from chaos.plan import DAYS_BEFORE
from chaos.plan_model import Act, RoundPlan
from chaos.processes import marked_processes, start_warm
from chaos.recovery import compare, recover
from chaos.round_state import PATIENCE_SECONDS, RoundState
from chaos.round_workspace import RoundWorkspace, make_workspace
from chaos.secret_leaks import CommandLineWatch, secrets_of
from sandbox import Sandbox


@dataclass
class Session:
    """The common part of all rounds.

    Args:
        sandbox: The platforms.
        disk: The disk for the rounds.
        logs: The folder for logs.
        home: A DAGSTER_HOME that each round copies.
        mark: Marks the processes of this session.
        counts: The counts of all rounds.
        known: The session's own processes.
        now: The start of rounds without their own time. None for the current time.
        recovery_seconds: The longest recovery so far.
        act_seconds: The longest act so far, by kind and way.
    """

    sandbox: Sandbox
    disk: Disk
    logs: Path
    home: Path
    mark: str
    counts: FaultCounts
    known: list[int]
    now: datetime | None
    recovery_seconds: float = 25
    act_seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    def has_time_for(self, act: Act, deadline: float) -> bool:
        """Whether there is time for the act and the recovery after it."""
        likely = 10.0 if act.way == "warm" and act.kind != "overlap" else 30.0
        longest = self.act_seconds.get((act.kind, act.way), likely)
        return time.monotonic() + longest + self.recovery_seconds < deadline

    @classmethod
    def prepare(cls, sandbox: Sandbox, disk: Disk, logs: Path, mark: str, now: datetime | None) -> Session:
        """Start the server of warm processes, and create the DAGSTER_HOME that each round copies."""
        home = disk.folder / "home"
        (logs / "home").mkdir(parents=True)
        home.mkdir()
        workspace = RoundWorkspace(home, logs / "home", {"DAGSTER_HOME": str(home), "PATH": "/usr/bin:/bin"})
        run = start_warm(child_process.make_home, workspace, "make")
        if run.wait(PATIENCE_SECONDS) != 0:
            raise RuntimeError(f"the DAGSTER_HOME could not be created: {run.output()[-2000:]}")
        return cls(sandbox, disk, logs, home, mark, FaultCounts(), list(marked_processes(mark, ())), now)


def run_round(session: Session, plan: RoundPlan, deadline: float) -> RoundState:
    """Play at least one act, and more while there is time; then recover and compare.

    The first problem ends the round. The result contains it in ``problems``.
    """
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
        "MDP_RELOAD_CADENCE": "0+=1h",  # the recovery probes again and again until no day is late
    }
    workspace = make_workspace(session.disk.folder, session.logs, f"round-{plan.number}", session.home, settings)
    sets_clocks = plan.base is not None or session.now is not None
    round_state = RoundState(plan, workspace, sandbox, session.disk, session.counts, now, first_day, sets_clocks)
    print(f"  now is {now.isoformat()}", flush=True)
    command_lines = CommandLineWatch(session.mark, secrets_of(sandbox.env))
    for number, act in enumerate(plan.acts):
        if number and not session.has_time_for(act, deadline):
            print(f"  skipped, because time is nearly up: {act.kind} {act.stage}".rstrip(), flush=True)
            continue
        _play(session, round_state, act, command_lines)
        if round_state.problems:
            return round_state
    began = time.monotonic()
    recover(round_state)
    compare(round_state, session.mark, session.known)
    took = time.monotonic() - began
    session.recovery_seconds = max(session.recovery_seconds, took)
    session.counts.work["rounds"] += 1
    print(f"  {took:5.1f} s  recovered by {plan.recovery}, and compared", flush=True)
    return round_state


def _play(session: Session, round_state: RoundState, act: Act, command_lines: CommandLineWatch) -> None:
    began, before = time.monotonic(), session.counts.hit.copy()
    ends = play(round_state, act, command_lines.look)
    round_state.problems += sorted(command_lines.found)
    hits = ", ".join(f"{group} {kind}" for group, kind in session.counts.hit - before) or "nothing hit"
    about = f"{act.kind} {act.stage}".rstrip() + (f" ({round_state.killed_in})" if round_state.killed_in else "")
    took = time.monotonic() - began
    session.act_seconds[act.kind, act.way] = max(session.act_seconds.get((act.kind, act.way), 0), took)
    print(f"  {took:5.1f} s  {about}: {hits}; ended with {ends}", flush=True)
