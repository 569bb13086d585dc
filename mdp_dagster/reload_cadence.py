"""How often a changed day is reloaded, by the age of the day: the form of ``MDP_RELOAD_CADENCE``."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT = "0-3=8h 4+=24h"
"""Today and the three days before every eight hours, older days once a morning."""

_PART = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4})|(\+))?=(-?[0-9]{1,4})h")
_EXAMPLE = f"use a form such as {DEFAULT}"


@dataclass(frozen=True)
class CadenceStep:
    """The interval for days of some ages.

    Args:
        first_age: The youngest age, in days; today is 0.
        last_age: The oldest age; None for all older days too.
        hours: The interval. Days with an interval of one hour are reloaded with every probe.
    """

    first_age: int
    last_age: int | None
    hours: int

    @property
    def ages(self) -> str:
        """The ages, for people."""
        if self.last_age is None:
            return f"{self.first_age} and more"
        return str(self.first_age) if self.first_age == self.last_age else f"{self.first_age}-{self.last_age}"

    @property
    def interval(self) -> str:
        """The interval, for people."""
        if self.hours % 24 == 0:
            return "once a day" if self.hours == 24 else f"every {self.hours // 24} days"
        return "every hour" if self.hours == 1 else f"every {self.hours} hours"


@dataclass(frozen=True)
class Cadence:
    """The intervals for all ages, the youngest first."""

    steps: tuple[CadenceStep, ...]

    def step(self, age: int) -> CadenceStep:
        """Returns the interval for days of this age. A day that begins later counts as today."""
        return next(step for step in self.steps if step.last_age is None or age <= step.last_age)


def parse_cadence(text: str) -> Cadence:
    """Returns the cadence that a text such as ``0=3h 1-3=6h 4+=24h`` describes.

    Each part has ages and an interval in hours. The parts begin with age 0, follow each other without a gap, and end
    with an open one. A day has a whole number of intervals, or an interval a whole number of days.

    Raises:
        ValueError: The text has another form; the message has the place and the remedy.
    """
    steps: list[CadenceStep] = []
    parts = text.split()
    for number, part in enumerate(parts, 1):
        place = f"part {number}, {part!r}:"
        step = _step(part, place)
        if steps and steps[-1].last_age is None:
            raise ValueError(f"{place} part {number - 1} is about all older days → end with the part that has a +")
        expected = (steps[-1].last_age or 0) + 1 if steps else 0
        if step.first_age != expected:
            problem = "is missing before it" if step.first_age > expected else "is the next one"
            raise ValueError(f"{place} age {expected} {problem} → begin this part with age {expected}")
        steps.append(step)
    if not steps:
        raise ValueError(f"there are no intervals → {_EXAMPLE}")
    if steps[-1].last_age is not None:
        raise ValueError(
            f"part {len(parts)}, {parts[-1]!r}: older days do not have an interval → add a last part, such as "
            f"{steps[-1].last_age + 1}+=24h"
        )
    return Cadence(tuple(steps))


def _step(part: str, place: str) -> CadenceStep:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"{place} not an age and an interval in hours → {_EXAMPLE}")
    first, last, is_open, hours = int(match[1]), match[2], match[3], int(match[4])
    if last is not None and int(last) < first:
        raise ValueError(f"{place} the ages end before they begin → write the lower age first")
    if hours < 1:
        raise ValueError(f"{place} the interval must be positive → use 1h to reload with every probe")
    if 24 % hours and hours % 24:
        raise ValueError(
            f"{place} a day does not have a whole number of such intervals → use 1, 2, 3, 4, 6, 8, 12 or 24 hours, or "
            "a multiple of 24"
        )
    return CadenceStep(first, None if is_open else int(last or first), hours)
