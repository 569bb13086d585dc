"""A year of two platforms in one run; and how fast rows come from the platforms."""

from __future__ import annotations

import json
from pathlib import Path

from bench.figures import Figure, Row
from bench.place import GOOGLE, META, Place, accounts_of, days_ago
from bench.server import serving

ACCOUNTS, CAMPAIGNS = 10, 20  # of each platform
YEAR = days_ago(365, 1)
TIMES = 2


def rows(folder: Path) -> list[Row]:
    accounts = accounts_of(ACCOUNTS)
    said = (json.dumps(accounts), str(YEAR.start), str(YEAR.last))
    with serving(folder / "server", ACCOUNTS, CAMPAIGNS) as sandbox:
        bare = Place(folder / "bare", sandbox, accounts, YEAR.start)
        # the server knows all answers then, and dbt has parsed its project: MDP's is parsed once and kept as well
        bare.script("bench.bare", "pulled", *said)
        bare.dbt_build(YEAR)
        received: dict[str, list[float]] = {GOOGLE: [], META: []}
        extracted: dict[str, list[float]] = {GOOGLE: [], META: []}
        for _ in range(TIMES):
            for speeds, what in ((received, "received"), (extracted, "extracted")):
                for platform, speed in bare.script("bench.bare", what, *said).told.items():
                    speeds[platform].append(speed)
        ours, floor, count = [], [], 0
        for n in range(TIMES):
            bare.warehouse.unlink()
            floor.append(bare.script("bench.bare", "pulled", *said).seconds + bare.dbt_build(YEAR).seconds)
            place = Place(folder / f"year-{n}", sandbox, accounts, YEAR.start)
            ours.append(place.run(YEAR).seconds)
            count = _same(place, bare)
    year = Figure(
        f"a year × 2 platforms × {ACCOUNTS * CAMPAIGNS} campaigns ({count:,} rows), one run", ours, floor, "s", 1.5,
        note="floor: bare SDKs into Arrow, an insert for each table, `dbt build`",
    )  # fmt: skip
    extract = [
        Figure(
            f"extract only, {name}", extracted[platform], received[platform], "rows/s", 0.5, at_least=True,
            note="floor: the same bytes received by the bare SDK and thrown away",
        )
        for platform, name in ((GOOGLE, "Google"), (META, "Meta"))
    ]  # fmt: skip
    return [year, *extract]


def _same(place: Place, bare: Place) -> int:
    """The mart's rows, as many on both sides."""
    count, expected = (each.count("mdp_marts.mart_campaign__daily") for each in (place, bare))
    if count != expected:
        raise RuntimeError(f"{count} rows in the mart, {expected} in the one of the bare SDKs")
    return count
