"""What was survived: how many faults of which kind hit, and how much was compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KILL_STAGES = ("extract", "landing", "load", "commit", "dbt")
GROUPS = ("kill", "command", "disk", "locked", "api", "overlap", "clock", "restated")

# What two rounds plan, so that five minutes have met it even on two slow cores, at least once by group and kind.
REQUIRED: dict[str, tuple[str, ...]] = {
    "kill": KILL_STAGES,
    "command": ("backfill killed", "backfill's terminal killed"),
    "disk": ("full",),
    "locked": ("waited", "refused"),
    "overlap": ("two backfills and the daily run",),
    "restated": ("restate", "empty", "add"),
}
REQUIRED_GROUPS = ("api", "clock")
"""Of these, one kind or another."""
# What comes in later rounds, or depends on the moment.
HOPED_FOR: dict[str, tuple[str, ...]] = {
    "kill": ("waiting for a quota",),
    "command": ("materialize killed", "backfill continues"),
    "clock": ("midnight", "daylight saving", "set back", "ahead"),
}


@dataclass
class Tally:
    """Counts over all rounds. ``planned``: what was tried. ``hit``: what really happened, to a living run or, where the
    kind says so, beside one. ``work``: what it took."""

    planned: Counter[tuple[str, str]] = field(default_factory=Counter)
    hit: Counter[tuple[str, str]] = field(default_factory=Counter)
    work: Counter[str] = field(default_factory=Counter)

    def plan(self, group: str, kind: str) -> None:
        self.planned[group, kind] += 1

    def met(self, group: str, kind: str, times: int = 1) -> None:
        self.hit[group, kind] += times

    def required_and_missing(self) -> list[str]:
        """Without them, a whole run has not tried what it is for."""
        groups = {group for (group, _), hits in self.hit.items() if hits}
        return self._missing(REQUIRED) + [f"{group}: any" for group in REQUIRED_GROUPS if group not in groups]

    def missing(self, api_kinds: tuple[tuple[str, str], ...]) -> list[str]:
        """The other kinds that never hit."""
        return self._missing(HOPED_FOR | {"api": tuple(f"{platform} {kind}" for platform, kind in api_kinds)})

    def _missing(self, kinds_by_group: dict[str, tuple[str, ...]]) -> list[str]:
        wanted = [(group, kind) for group, kinds in kinds_by_group.items() for kind in kinds]
        return [f"{group}: {kind}" for group, kind in wanted if not self.hit[group, kind]]

    def table(self) -> str:
        rows = [f"{'fault':<58}{'planned':>9}{'hit':>9}"]
        for group in GROUPS:
            names = sorted({name for where, name in (*self.planned, *self.hit) if where == group})
            rows += [f"{f'{group}: {n}':<58}{self.planned[group, n]:>9}{self.hit[group, n]:>9}" for n in names]
        rows.append(f"{'all':<58}{sum(self.planned.values()):>9}{sum(self.hit.values()):>9}")
        return "\n".join(rows)
