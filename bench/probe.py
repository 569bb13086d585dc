"""The hourly look at the account totals, when nothing has changed."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from bench.figures import Figure, Row
from bench.place import GOOGLE, META, Place, accounts_of, days_ago
from bench.server import serving

ACCOUNTS, DAYS = 50, 90
LATENCY = 0.1  # seconds; what a platform takes at least, on the other side of an ocean or of a busy proxy


def rows(folder: Path) -> list[Row]:
    return [
        _row(folder / "soon", LATENCY, f"answers after {LATENCY:g} s, as from a platform"),
        _row(folder / "at-once", 0.0, "answers at once: what is left is MDP's own work"),
    ]


def _row(folder: Path, latency: float, said: str) -> Row:
    accounts = {GOOGLE: accounts_of(ACCOUNTS)[GOOGLE], META: []}
    window = days_ago(DAYS)
    asked = (json.dumps(accounts), str(window.start), str(window.last))
    with serving(folder / "server", ACCOUNTS, 1, latency=latency) as sandbox:
        place = Place(folder / "place", sandbox, accounts, window.start)
        place.run(window)
        told = []
        floor: list[float] = []
        for _ in range(2):
            floor += place.script("bench.bare", "calls", *asked).told["seconds"]
            told.append(place.script("bench.inside", "probe").told)
    ours = [seconds for one in told for seconds in one["looks"]]
    start = statistics.median(seconds for one in told for seconds in one["starts"])
    return Figure(
        f"the probe that finds nothing new, {ACCOUNTS} accounts × {DAYS} days", ours, floor, "s", 1.5,
        note=f"beside the start ({start:.2f} s for a run that looks at nothing); floor: the API calls alone; {said}",
    )  # fmt: skip
