"""A sensor's tick after a probe that found much."""

from __future__ import annotations

from pathlib import Path

from bench.figures import Limit, Row
from bench.place import Place, accounts_of, days_ago


def rows(folder: Path) -> list[Row]:
    place = Place(folder, {}, accounts_of(1), days_ago(90).start)
    seconds = place.script("bench.inside", "tick").told["all"]
    return [Limit("a sensor's tick, 500 partitions × 50 accounts", seconds, "s", 0.3)]
