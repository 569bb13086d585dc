"""The memory of a backfill of millions of rows."""

from __future__ import annotations

from pathlib import Path

from bench.figures import Limit, Row
from bench.place import GOOGLE, META, Place, accounts_of, days_ago
from bench.server import serving

ACCOUNTS, CAMPAIGNS = 50, 274
YEAR = days_ago(365, 1)


def rows(folder: Path) -> list[Row]:
    accounts = {GOOGLE: accounts_of(ACCOUNTS)[GOOGLE], META: []}
    with serving(folder / "server", ACCOUNTS, CAMPAIGNS, copies=True) as sandbox:
        place = Place(folder / "place", sandbox, accounts, YEAR.start)
        run = place.run(YEAR)
        count = place.count("mdp_marts.mart_campaign__daily")
    what = f"peak memory of a backfill of {count:,} rows ({ACCOUNTS} accounts, a year, {run.seconds:.0f} s)"
    return [Limit(what, [run.peak_mib], "MiB", 1024, note="of the run's process: pull, load, dbt, checks")]
