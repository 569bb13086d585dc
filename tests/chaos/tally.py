"""What was survived: how many faults of which kind hit, and how much was compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KILL_STAGES = ("extract", "landing", "load", "commit", "dbt")
GROUPS = ("kill", "disk", "locked", "api", "overlap", "clock", "restated")

# What a full pass has to have met at least once, by group.
EXPECTED: dict[str, tuple[str, ...]] = {
    "kill": KILL_STAGES,
    "disk": ("full",),
    "locked": ("waited", "refused"),
    "overlap": ("two backfills and the daily run",),
    "clock": ("midnight", "daylight saving", "set back", "ahead"),
    "restated": ("restate", "empty", "add"),
}


@dataclass
class Tally:
    """Counts over all rounds. ``planned`` is what was tried; ``hit``, what really happened to a living run."""

    planned: Counter[tuple[str, str]] = field(default_factory=Counter)
    hit: Counter[tuple[str, str]] = field(default_factory=Counter)
    work: Counter[str] = field(default_factory=Counter)

    def plan(self, group: str, kind: str) -> None:
        self.planned[group, kind] += 1

    def met(self, group: str, kind: str, times: int = 1) -> None:
        self.hit[group, kind] += times

    def missing(self, api_kinds: tuple[tuple[str, str], ...]) -> list[str]:
        """The kinds that never hit."""
        wanted = [(group, kind) for group, kinds in EXPECTED.items() for kind in kinds]
        wanted += [("api", f"{platform} {kind}") for platform, kind in api_kinds]
        return [f"{group}: {kind}" for group, kind in wanted if not self.hit[group, kind]]

    def table(self) -> str:
        rows = [f"{'fault':<58}{'planned':>9}{'hit':>9}"]
        for group in GROUPS:
            names = sorted({name for where, name in (*self.planned, *self.hit) if where == group})
            rows += [f"{f'{group}: {n}':<58}{self.planned[group, n]:>9}{self.hit[group, n]:>9}" for n in names]
        rows.append(f"{'all':<58}{sum(self.planned.values()):>9}{sum(self.hit.values()):>9}")
        return "\n".join(rows)
