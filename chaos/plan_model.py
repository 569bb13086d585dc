"""The parts of a plan: a round, its acts, and their events. All can be printed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chaos.api_faults import ApiFault

AccountDay = tuple[str, str, date]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Edit:
    """A change to a platform's day.

    ``after`` is a number of the run's requests, so that the change happens during the extract. 0 means before the run.
    If the run makes fewer requests, the change happens after it.
    """

    kind: str
    platform: str
    account_id: str
    days_ago: int
    factor: float
    after: int

    def __str__(self) -> str:
        return f"{self.kind} {self.account_id} {self.days_ago} days ago, after {self.after} requests"


@dataclass(frozen=True)
class ClockJump:
    """A change to the clock of a process.

    Args:
        kind: Names the jump in the result.
        skew_seconds: How wrong the clock is at the start of the process.
        jump_seconds: How far the clock jumps during the run.
        after: The number of requests before the jump.
        time_passes: Whether time really passes, also for the platforms. Otherwise somebody sets the clock.
    """

    kind: str
    skew_seconds: float = 0
    jump_seconds: float = 0
    after: int = 0
    time_passes: bool = False


@dataclass(frozen=True)
class Act:
    """One fault scenario with its own run.

    Args:
        kind: The kind of fault.
        window: The first and the last day, in days ago.
        way: How the run is started.
        stage: Where the fault happens.
        times: The fault happens when the stage occurs for this time.
        seconds: How long after that the fault happens.
        commit_pause_seconds: How long the run waits after each commit, so that a kill surely finds it there.
        left_kib: The free space on a full disk.
        faults: Faults of the platforms.
        edits: Changes to the platforms' data.
        clock: A change to the clock.
    """

    kind: str
    window: tuple[int, int]
    way: str = "warm"
    stage: str = ""
    times: int = 1
    seconds: float = 0
    commit_pause_seconds: float = 0
    left_kib: int = 0
    faults: tuple[ApiFault, ...] = ()
    edits: tuple[Edit, ...] = ()
    clock: ClockJump | None = None

    def __str__(self) -> str:
        about = [f"{self.kind}: {self.way}, {self.window[0]} to {self.window[1]} days ago"]
        if self.stage:
            times = f", for the {self.times}. time" if self.times > 1 else ""
            about.append(f"in {self.stage}{times}, {self.seconds:.3f} s later")
        if self.clock:
            about.append(
                f"{self.clock.kind}: {self.clock.skew_seconds:+.0f} s, then {self.clock.jump_seconds:+.0f} s "
                f"after {self.clock.after} requests"
            )
        return "; ".join([*about, *map(str, self.faults), *map(str, self.edits)])


@dataclass(frozen=True)
class RoundPlan:
    """The plan of a round.

    Args:
        number: The number of the round.
        zone: MDP_TIMEZONE.
        base: The time when the round starts. None for the current time.
        acts: The acts.
        recovery: ``runs`` repeats the commands. ``probe`` lets MDP find and reload late days.
    """

    number: int
    zone: str
    base: datetime | None
    acts: tuple[Act, ...]
    recovery: str

    def __str__(self) -> str:
        when = "now" if self.base is None else self.base.isoformat()
        lines = [f"round {self.number}: begins {when}, MDP_TIMEZONE={self.zone}, recovers by {self.recovery}"]
        return "\n  ".join([*lines, *map(str, self.acts)])
