"""Counts the faults that were planned and that occurred, by kind, and the amount of compared data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KILL_STAGES = ("extract", "landing", "load", "commit", "dbt")
GROUPS = ("kill", "command", "disk", "locked", "api", "overlap", "clock", "restated")

# Two rounds plan each of these at least once, so that five minutes are enough even on two slow cores.
REQUIRED: dict[str, tuple[str, ...]] = {
    "kill": KILL_STAGES,
    "command": ("backfill killed", "backfill's terminal killed"),
    "disk": ("full",),
    "locked": ("waited", "refused"),
    "overlap": ("two backfills and the daily run",),
    "restated": ("restate", "empty", "add"),
}
REQUIRED_GROUPS = ("api", "clock")
"""At least one kind of each of these groups."""
# These occur in later rounds, or by chance.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "kill": ("waiting for a quota",),
    "command": ("materialize killed", "backfill continues"),
    "clock": ("midnight", "daylight saving", "set back", "ahead"),
}


@dataclass
class FaultCounts:
    """The counts of all rounds.

    Args:
        planned: Planned faults by group and kind.
        hit: Faults that occurred in a living run, or next to one where the kind says so.
        work: Amounts of work, by name.
    """

    planned: Counter[tuple[str, str]] = field(default_factory=Counter)
    hit: Counter[tuple[str, str]] = field(default_factory=Counter)
    work: Counter[str] = field(default_factory=Counter)

    def count_planned(self, group: str, kind: str) -> None:
        """Count a planned fault."""
        self.planned[group, kind] += 1

    def count_hit(self, group: str, kind: str, times: int = 1) -> None:
        """Count a fault that occurred."""
        self.hit[group, kind] += times

    def required_and_missing(self) -> list[str]:
        """The required kinds that did not occur. A full run fails without them."""
        groups = {group for (group, _), hits in self.hit.items() if hits}
        return self._missing(REQUIRED) + [f"{group}: any" for group in REQUIRED_GROUPS if group not in groups]

    def missing(self, api_kinds: tuple[tuple[str, str], ...]) -> list[str]:
        """The other kinds that did not occur."""
        return self._missing(OPTIONAL | {"api": tuple(f"{platform} {kind}" for platform, kind in api_kinds)})

    def _missing(self, kinds_by_group: dict[str, tuple[str, ...]]) -> list[str]:
        wanted = [(group, kind) for group, kinds in kinds_by_group.items() for kind in kinds]
        return [f"{group}: {kind}" for group, kind in wanted if not self.hit[group, kind]]

    def table(self) -> str:
        """The counts as a text table."""
        rows = [f"{'fault':<58}{'planned':>9}{'hit':>9}"]
        for group in GROUPS:
            names = sorted({name for where, name in (*self.planned, *self.hit) if where == group})
            rows += [f"{f'{group}: {n}':<58}{self.planned[group, n]:>9}{self.hit[group, n]:>9}" for n in names]
        rows.append(f"{'all':<58}{sum(self.planned.values()):>9}{sum(self.hit.values()):>9}")
        return "\n".join(rows)
