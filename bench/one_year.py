"""A year of two platforms in one run, and the speed of the connectors."""

from __future__ import annotations

import json
from pathlib import Path

from bench.bench_workspace import GOOGLE, META, BenchWorkspace, accounts_of, days_ago
from bench.figures import Figure, Row
from bench.server import serving

ACCOUNTS, CAMPAIGNS = 10, 20  # of each platform
YEAR = days_ago(365, 1)
TIMES = 2


def rows(folder: Path) -> list[Row]:
    """Measure a year."""
    accounts = accounts_of(ACCOUNTS)
    arguments = (json.dumps(accounts), str(YEAR.start), str(YEAR.last))
    with serving(folder / "server", ACCOUNTS, CAMPAIGNS) as sandbox:
        bare = BenchWorkspace(folder / "bare", sandbox, accounts, YEAR.start)
        # After this, the server has cached all answers, and dbt has parsed its project. MDP keeps a parsed project too.
        bare.script("bench.bare_sdks", "load_all", *arguments)
        bare.dbt_build(YEAR)
        received: dict[str, list[float]] = {GOOGLE: [], META: []}
        extracted: dict[str, list[float]] = {GOOGLE: [], META: []}
        for _ in range(TIMES):
            for speeds, what in ((received, "download_speeds"), (extracted, "extract_speeds")):
                for platform, speed in bare.script("bench.bare_sdks", what, *arguments).output.items():
                    speeds[platform].append(speed)
        ours, floor, count = [], [], 0
        for n in range(TIMES):
            bare.warehouse.unlink()
            floor.append(bare.script("bench.bare_sdks", "load_all", *arguments).seconds + bare.dbt_build(YEAR).seconds)
            workspace = BenchWorkspace(folder / f"year-{n}", sandbox, accounts, YEAR.start)
            ours.append(workspace.run(YEAR).seconds)
            count = _same_row_count(workspace, bare)
    year = Figure(
        f"a year × 2 platforms × {ACCOUNTS * CAMPAIGNS} campaigns ({count:,} rows), one run", ours, floor, "s", 1.5,
        note="floor: bare SDKs into Arrow, an insert for each table, `dbt build`",
    )  # fmt: skip
    extract = [
        Figure(
            f"extract only, {name}", extracted[platform], received[platform], "rows/s", 0.5, at_least=True,
            note="floor: the bare SDK downloads the same bytes and discards them",
        )
        for platform, name in ((GOOGLE, "Google"), (META, "Meta"))
    ]  # fmt: skip
    return [year, *extract]


def _same_row_count(workspace: BenchWorkspace, bare: BenchWorkspace) -> int:
    """The number of rows in the mart. Raises ``RuntimeError`` if the two marts differ in it."""
    count, expected = (each.count("mdp_marts.mart_campaign__daily") for each in (workspace, bare))
    if count != expected:
        raise RuntimeError(f"{count} rows in the mart, {expected} in the one of the bare SDKs")
    return count
