"""The hourly probe of the account totals, when nothing has changed."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from bench.bench_workspace import GOOGLE, META, BenchWorkspace, accounts_of, days_ago
from bench.figures import Figure, Row
from bench.server import serving

ACCOUNTS, DAYS = 50, 90
LATENCY = 0.1  # seconds; at least this long for a platform across an ocean or behind a busy proxy


def rows(folder: Path) -> list[Row]:
    """Measure the probe, with a server that answers as slowly as a platform."""
    accounts = {GOOGLE: accounts_of(ACCOUNTS)[GOOGLE], META: []}
    window = days_ago(DAYS)
    arguments = (json.dumps(accounts), str(window.start), str(window.last))
    with serving(folder / "server", ACCOUNTS, 1, latency=LATENCY) as sandbox:
        workspace = BenchWorkspace(folder / "workspace", sandbox, accounts, window.start)
        workspace.run(window)
        outputs = []
        floor: list[float] = []
        for _ in range(2):
            floor += workspace.script("bench.bare_sdks", "api_call_seconds", *arguments).output["seconds"]
            outputs.append(workspace.script("bench.in_process", "probe").output)
    ours = [seconds for one in outputs for seconds in one["extra_seconds"]]
    base = statistics.median(seconds for one in outputs for seconds in one["base_seconds"])
    note = (
        f"without the start ({base:.2f} s for a run without the probe); floor: the API calls alone; answers after "
        f"{LATENCY:g} s, as from a platform"
    )
    name = f"the probe that finds nothing new, {ACCOUNTS} accounts × {DAYS} days"
    return [Figure(name, ours, floor, "s", 1.5, note=note)]
