"""What a plan is made of: a round, its acts, and what happens in them. All print themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chaos.api_faults import ApiFault

AccountDay = tuple[str, str, date]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Edit:
    """What the platform changes about a day. ``after``: so many requests of the run, in the middle of the pull; 0 is
    before the run begins, and whatever a run was too short for happens after it."""

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
    """``skew_seconds``: how wrong the process's clock is when it begins. ``jump_seconds``: by how much it is set while
    it runs, after so many requests. ``time_passes``: it isn't set: so much time has passed, for the platforms too."""

    kind: str
    skew_seconds: float = 0
    jump_seconds: float = 0
    after: int = 0
    time_passes: bool = False


@dataclass(frozen=True)
class Act:
    """One thing that goes wrong, in a run of its own. ``window``: the first and the last day, in days ago. ``stage``:
    where it is to happen; ``times``: when that comes up so often; ``seconds``: so much later."""

    kind: str
    window: tuple[int, int]
    way: str = "warm"
    stage: str = ""
    times: int = 1
    seconds: float = 0
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
    """``base``: the time when it begins; None for the real one. ``recovery``: ``runs``, the same commands again, or
    ``probe``, what MDP finds late by itself."""

    number: int
    zone: str
    base: datetime | None
    acts: tuple[Act, ...]
    recovery: str

    def __str__(self) -> str:
        when = "now" if self.base is None else self.base.isoformat()
        lines = [f"round {self.number}: begins {when}, MDP_TIMEZONE={self.zone}, recovers by {self.recovery}"]
        return "\n  ".join([*lines, *map(str, self.acts)])
