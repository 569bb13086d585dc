"""A year of two platforms in one run; and how fast rows come from the platforms."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
        first = Place(folder / "first", sandbox, accounts, YEAR.start)
        _ask_once(first, said)
        received: dict[str, list[float]] = {GOOGLE: [], META: []}
        extracted: dict[str, list[float]] = {GOOGLE: [], META: []}
        for _ in range(TIMES):
            for speeds, what in ((received, "received"), (extracted, "extracted")):
                for platform, speed in first.script("bench.bare", what, *said).told.items():
                    speeds[platform].append(speed)
        ours, floor, count = [], [], 0
        for n in range(TIMES):
            bare = Place(folder / f"bare-{n}", sandbox, accounts, YEAR.start)
            pulled = bare.script("bench.bare", "pulled", *said)
            floor.append(pulled.seconds + bare.dbt_build(YEAR).seconds)
            place = Place(folder / f"year-{n}", sandbox, accounts, YEAR.start)
            ours.append(place.run(YEAR).seconds)
            count = _same(place, pulled.told)
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


def _ask_once(place: Place, said: tuple[str, str, str]) -> None:
    """The server knows the answers then, to MDP's questions and to the bare SDKs'."""
    place.script("bench.bare", "pulled", *said)


def _same(place: Place, pulled: Mapping[str, int]) -> int:
    """The mart's rows; as many as the SDKs gave."""
    count = place.count("mdp_marts.mart_campaign__daily")
    if count != pulled["rows"]:
        raise RuntimeError(f"{count} rows in the mart, {pulled['rows']} by the bare SDKs")
    return count
