"""A round while it goes on: what time it is, which days are known to need another run, what went wrong."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from chaos.disk import Disk
from chaos.fault_counts import Tally
from chaos.place import Place
from chaos.plan import DAYS_BEFORE
from chaos.plan_model import AccountDay, RoundPlan, Rows
from chaos.processes import Running
from chaos.raw_contents import Content, Pull
from mdp_dagster.window import DateWindow
from sandbox import Sandbox

PATIENCE_SECONDS = 90
"""For the end of a run. What waits longer hangs."""


@dataclass
class Scene:
    """``began``: what time it was then, on a machine whose clock is right; ``began_monotonic``: on the clock that
    nobody sets; ``passed_seconds``: those that were skipped since. ``sets_clocks``: it isn't the real time, and
    processes have to be told.

    ``stale``: days that somebody who watches knows to be missing or out of date; ``rejected``: days of runs in which
    rows were spoilt; ``versions``: what the platforms said of account-days before they changed; ``unsettled``: see
    ``history.rebuild_problems``. ``left_by_kills``, ``without_end``: files and folders, and runs, that kills explain.
    ``kept``: what raw held after the last act. ``told``: where its run was killed, for the act's line."""

    plan: RoundPlan
    place: Place
    sandbox: Sandbox
    disk: Disk
    tally: Tally
    chance: random.Random
    began: datetime
    first_day: date
    sets_clocks: bool
    began_monotonic: float = field(default_factory=time.monotonic)
    passed_seconds: float = 0
    stale: set[date] = field(default_factory=set)
    rejected: set[date] = field(default_factory=set)
    versions: dict[AccountDay, list[Rows]] = field(default_factory=dict)
    unsettled: set[date] = field(default_factory=set)
    left_by_kills: set[Path] = field(default_factory=set)
    without_end: set[str] = field(default_factory=set)
    kept: dict[Pull, Content] = field(default_factory=dict)
    told: str = ""
    problems: list[str] = field(default_factory=list)
    runs: int = 0

    @property
    def now(self) -> datetime:
        """What a right clock shows."""
        return self.began + timedelta(seconds=self.passed_seconds + time.monotonic() - self.began_monotonic)

    @property
    def today(self) -> date:
        """The platforms' today: they stand still, until time passes."""
        return self.sandbox.world.now.astimezone(ZoneInfo(self.plan.zone)).date()

    @property
    def days(self) -> DateWindow:
        """What is compared in the end."""
        return DateWindow.of_days(self.first_day, self.today)

    @property
    def clock(self) -> float | None:
        """The clock of a process; None for the real one."""
        return self.now.timestamp() if self.sets_clocks else None

    def window(self, days_ago: tuple[int, int]) -> DateWindow:
        """Counted from the day on which the round began."""
        return DateWindow.of_days(self.day(days_ago[0]), self.day(days_ago[1]))

    def day(self, days_ago: int) -> date:
        return self.first_day + timedelta(days=DAYS_BEFORE - days_ago)

    def time_passes(self, seconds: float) -> None:
        """For the platforms too: what they say of every day is another thing now."""
        self.passed_seconds += seconds
        self.sandbox.world.now = self.now
        self.stale.update(self.days.days())

    def new_run_id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def name(self, what: str) -> str:
        """Of a process, and of its log."""
        self.runs += 1
        self.tally.work["runs"] += 1
        return f"{self.runs:02d}-{what}"

    def has_failed(self, run: Running, why: str) -> None:
        self.problems.append(f"{run.name}: {why}\n{_tail(run.log)}")


def new_scene(
    plan: RoundPlan,
    place: Place,
    sandbox: Sandbox,
    disk: Disk,
    tally: Tally,
    now: datetime,
    first_day: date,
    sets_clocks: bool,
) -> Scene:
    """The round as it begins: nothing is loaded, so every day is missing."""
    scene = Scene(plan, place, sandbox, disk, tally, random.Random(f"{plan}"), now, first_day, sets_clocks)
    scene.stale.update(scene.days.days())
    return scene


def _tail(log: Path, characters: int = 1500) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return text[-characters:]
