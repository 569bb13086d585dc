"""What was measured, next to its floor, as a table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Figure:
    """One row of the table. ``ours`` and ``floor`` in ``unit``; ``ratio`` is between their medians, or of one number to
    a limit that is no measurement. ``aim`` is an upper limit of the ratio, or a lower one: ``at_least``."""

    what: str
    ours: Sequence[float]
    floor: Sequence[float]
    unit: str
    aim: float
    at_least: bool = False
    note: str = ""

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.floor)

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.aim if self.at_least else self.ratio <= self.aim

    def row(self) -> list[str]:
        aim = f"{'≥' if self.at_least else '≤'} {self.aim:g}"
        said = f"{self.ratio:.2f} {'✓' if self.is_met else '✗'}"
        return [self.what, _median(self.ours, self.unit), _median(self.floor, self.unit), said, aim, self.note]


@dataclass(frozen=True)
class Limit:
    """A row without a floor: a number and its limit."""

    what: str
    ours: Sequence[float]
    unit: str
    limit: float
    note: str = ""

    @property
    def is_met(self) -> bool:
        return statistics.median(self.ours) <= self.limit

    def row(self) -> list[str]:
        mark = "✓" if self.is_met else "✗"
        return [self.what, _median(self.ours, self.unit), "–", mark, f"≤ {self.limit:g} {self.unit}", self.note]


Row = Figure | Limit
HEADINGS = ["what", "MDP", "floor", "ratio", "aim", ""]


def alternated(times: int, ours: Callable[[], float], floor: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Both in turns, so that what else the machine does meets both."""
    pairs = [(floor(), ours()) for _ in range(times)]
    return [pair[1] for pair in pairs], [pair[0] for pair in pairs]


def as_markdown(rows: Sequence[Row], seconds: float) -> str:
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(row.row() for row in rows)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"# `make bench`\n\n{date.today()}, {machine}, {seconds:.0f} s. How to read it: docs/bench.md.\n\n{table}\n"


def _median(values: Sequence[float], unit: str) -> str:
    middle = statistics.median(values)
    digits = 0 if middle >= 1000 else 1 if middle >= 10 else 2
    spread = f" ({min(values):,.{digits}f}–{max(values):,.{digits}f})" if len(values) > 1 else ""
    return f"{middle:,.{digits}f} {unit}{spread}"
