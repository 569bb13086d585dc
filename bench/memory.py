"""The memory of a backfill of millions of rows."""

from __future__ import annotations

from pathlib import Path

from bench.bench_workspace import GOOGLE, META, BenchWorkspace, accounts_of, days_ago
from bench.figures import Limit, Row
from bench.server import serving

ACCOUNTS, CAMPAIGNS = 50, 274
YEAR = days_ago(365, 1)


def rows(folder: Path) -> list[Row]:
    """Measure the memory."""
    accounts = {GOOGLE: accounts_of(ACCOUNTS)[GOOGLE], META: []}
    with serving(folder / "server", ACCOUNTS, CAMPAIGNS, copies=True) as sandbox:
        workspace = BenchWorkspace(folder / "workspace", sandbox, accounts, YEAR.start)
        run = workspace.run(YEAR)
        count = workspace.count("mdp_marts.mart_campaign__daily")
    what = f"peak memory of a backfill of {count:,} rows ({ACCOUNTS} accounts, a year, {run.seconds:.0f} s)"
    return [Limit(what, [run.peak_mib], "MiB", 1024, note="of the run's process: extract, load, dbt, checks")]
