"""A round while it goes on: what time it is, which days are known to need another run, what went wrong."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from mdp_dagster.sandbox import Sandbox
from mdp_dagster.window import DateWindow
from tests.chaos.disk import Disk
from tests.chaos.place import Place
from tests.chaos.plan import DAYS_BEFORE
from tests.chaos.planned import RoundPlan
from tests.chaos.processes import Running
from tests.chaos.tally import Tally


@dataclass
class Scene:
    """``began``: what time it was then, on a machine whose clock is right; ``began_monotonic``: on the clock that
    nobody sets. ``stale``: days that somebody who watches knows to be missing or out of date."""

    plan: RoundPlan
    place: Place
    sandbox: Sandbox
    disk: Disk
    tally: Tally
    chance: random.Random
    began: datetime
    first_day: date
    began_monotonic: float = field(default_factory=time.monotonic)
    stale: set[date] = field(default_factory=set)
    rejected: set[date] = field(default_factory=set)  # days of runs in which rows were spoilt
    problems: list[str] = field(default_factory=list)
    kills: int = 0
    cut_off: int = 0  # runs that can't have told Dagster of their end
    kills_in_dbt: int = 0
    runs: int = 0

    @property
    def now(self) -> datetime:
        """What a right clock shows."""
        return self.began + timedelta(seconds=time.monotonic() - self.began_monotonic)

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
        return None if self.plan.base is None else self.now.timestamp()

    def window(self, days_ago: tuple[int, int]) -> DateWindow:
        """Counted from the day on which the round began."""
        return DateWindow.of_days(self.day(days_ago[0]), self.day(days_ago[1]))

    def day(self, days_ago: int) -> date:
        return self.first_day + timedelta(days=DAYS_BEFORE - days_ago)

    def time_passes(self, seconds: float) -> None:
        """For the platforms too: what they say of every day is another thing now."""
        self.began += timedelta(seconds=seconds)
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
    plan: RoundPlan, place: Place, sandbox: Sandbox, disk: Disk, tally: Tally, now: datetime, first_day: date
) -> Scene:
    """The round as it begins: nothing is loaded, so every day is missing."""
    scene = Scene(plan, place, sandbox, disk, tally, random.Random(f"{plan}"), now, first_day)
    scene.stale.update(scene.days.days())
    return scene


def _tail(log: Path, characters: int = 1500) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return text[-characters:]
