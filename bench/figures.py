"""Measurements next to their floors, as a table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Figure:
    """A row of the table with a floor.

    Args:
        name: The measurement.
        ours: MDP's values, in ``unit``.
        floor: The values of the floor, in ``unit``.
        unit: The unit.
        target: The limit of the ratio between the medians.
        at_least: Whether the target is a lower limit. Otherwise it is an upper limit.
        note: An explanation.
    """

    name: str
    ours: Sequence[float]
    floor: Sequence[float]
    unit: str
    target: float
    at_least: bool = False
    note: str = ""

    @property
    def ratio(self) -> float:
        """The ratio between the medians."""
        return statistics.median(self.ours) / statistics.median(self.floor)

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def row(self) -> list[str]:
        """The cells of the row."""
        target = f"{'≥' if self.at_least else '≤'} {self.target:g}"
        ratio = f"{self.ratio:.2f} {'✓' if self.is_met else '✗'}"
        return [self.name, _median(self.ours, self.unit), _median(self.floor, self.unit), ratio, target, self.note]


@dataclass(frozen=True)
class Limit:
    """A row with a limit instead of a floor."""

    name: str
    ours: Sequence[float]
    unit: str
    limit: float
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the median is within the limit."""
        return statistics.median(self.ours) <= self.limit

    def row(self) -> list[str]:
        """The cells of the row."""
        mark = "✓" if self.is_met else "✗"
        return [self.name, _median(self.ours, self.unit), "–", mark, f"≤ {self.limit:g} {self.unit}", self.note]


Row = Figure | Limit
HEADINGS = ["measurement", "MDP", "floor", "ratio", "target", ""]


def in_turns(times: int, ours: Callable[[], float], floor: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Measure both in turns, so that other load on the machine affects both."""
    pairs = [(floor(), ours()) for _ in range(times)]
    return [pair[1] for pair in pairs], [pair[0] for pair in pairs]


def as_markdown(rows: Sequence[Row], seconds: float) -> str:
    """The table as Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(row.row() for row in rows)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"# `make bench`\n\n{date.today()}, {machine}, {seconds:.0f} s. How to read it: docs/bench.md.\n\n{table}\n"


def _median(values: Sequence[float], unit: str) -> str:
    middle = statistics.median(values)
    digits = 0 if middle >= 1000 else 1 if middle >= 10 else 2
    spread = f" ({min(values):,.{digits}f}–{max(values):,.{digits}f})" if len(values) > 1 else ""
    return f"{middle:,.{digits}f} {unit}{spread}"
