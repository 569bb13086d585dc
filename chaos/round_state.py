"""The state of a round: its time, the days that need another run, and the problems."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from chaos.disk import Disk
from chaos.fault_counts import FaultCounts
from chaos.plan import DAYS_BEFORE
from chaos.plan_model import AccountDay, RoundPlan, Rows
from chaos.processes import Running
from chaos.raw_contents import Content, ExtractKey
from chaos.round_workspace import RoundWorkspace
from mdp_dagster.window import DateWindow
from sandbox import Sandbox

PATIENCE_SECONDS = 600
"""How long a run may take. A run that takes longer hangs."""


@dataclass
class RoundState:
    """The state of a round.

    Args:
        plan: The plan.
        workspace: The folders of the round.
        sandbox: The platforms.
        disk: The disk.
        counts: The counts of all rounds.
        began: The correct time at the start.
        first_day: The first day that is compared.
        sets_clocks: Whether the round has another time than the real one, so that processes must be given it.
        chance: The random numbers of the round.
        began_monotonic: The start on the monotonic clock.
        passed_seconds: Seconds that were skipped since the start.
        stale: Days that are known to be missing or stale. At the start, these are all days.
        rejected: Days of runs with faulty rows.
        versions: The earlier rows of account-days that have changed.
        unsettled: See ``raw_contents.rebuild_problems``.
        left_by_kills: Files and folders that kills explain.
        without_end: Runs without an end that kills explain.
        kept: The content of raw after the last act.
        killed_in: The stage in which the act's run was killed.
        problems: The problems so far.
        runs: The number of processes so far.
    """

    plan: RoundPlan
    workspace: RoundWorkspace
    sandbox: Sandbox
    disk: Disk
    counts: FaultCounts
    began: datetime
    first_day: date
    sets_clocks: bool
    chance: random.Random = field(init=False)
    began_monotonic: float = field(default_factory=time.monotonic)
    passed_seconds: float = 0
    stale: set[date] = field(default_factory=set)
    rejected: set[date] = field(default_factory=set)
    versions: dict[AccountDay, list[Rows]] = field(default_factory=dict)
    unsettled: set[date] = field(default_factory=set)
    left_by_kills: set[Path] = field(default_factory=set)
    without_end: set[str] = field(default_factory=set)
    kept: dict[ExtractKey, Content] = field(default_factory=dict)
    killed_in: str = ""
    problems: list[str] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.plan}")
        self.stale.update(self.days.days())  # nothing is loaded yet

    @property
    def now(self) -> datetime:
        """The correct time."""
        return self.began + timedelta(seconds=self.passed_seconds + time.monotonic() - self.began_monotonic)

    @property
    def today(self) -> date:
        """The platforms' today. It stays the same until ``pass_time`` is called."""
        return self.sandbox.world.now.astimezone(ZoneInfo(self.plan.zone)).date()

    @property
    def days(self) -> DateWindow:
        """The days that are compared at the end."""
        return DateWindow.of_days(self.first_day, self.today)

    @property
    def clock(self) -> float | None:
        """The start time for a process. None for the real time."""
        return self.now.timestamp() if self.sets_clocks else None

    def window(self, days_ago: tuple[int, int]) -> DateWindow:
        """The window between two days, in days before the round started."""
        return DateWindow.of_days(self.day(days_ago[0]), self.day(days_ago[1]))

    def day(self, days_ago: int) -> date:
        """The day that was this number of days before the round started."""
        return self.first_day + timedelta(days=DAYS_BEFORE - days_ago)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, also for the platforms. This changes their numbers of every day."""
        self.passed_seconds += seconds
        self.sandbox.world.now = self.now
        self.stale.update(self.days.days())

    def new_run_id(self) -> str:
        """A new run id from the round's random numbers."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def name(self, what: str) -> str:
        """The name of a process and its log."""
        self.runs += 1
        self.counts.work["runs"] += 1
        return f"{self.runs:02d}-{what}"

    def report_failure(self, run: Running, why: str) -> None:
        """Record a problem with the end of the run's log."""
        self.problems.append(f"{run.name}: {why}\n{_tail(run.log)}")


def _tail(log: Path, characters: int = 1500) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return text[-characters:]
