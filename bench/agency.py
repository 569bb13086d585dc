"""An agency with 200 accounts on each platform, over 48 hours: requests, ledger rows, files, and the marts."""

from __future__ import annotations

from pathlib import Path

from bench.bench_workspace import BenchWorkspace, accounts_of, days_ago
from bench.figures import Limit, Row
from bench.simulated_hours import DAYS

ACCOUNTS, HOURS = 200, 48
MAX_OPERATIONS, MAX_LEDGER_ROWS, MAX_FILES = 12, 3, 1


def rows(folder: Path, accounts: int = ACCOUNTS, hours: int = HOURS) -> list[Row]:
    """Measure the agency."""
    workspace = BenchWorkspace(folder / "workspace", {}, accounts_of(accounts), days_ago(DAYS).start)
    run = workspace.script("bench.simulated_hours", str(accounts), str(hours))
    counted = run.output
    a_day = 24 / accounts / hours
    operations = {name: sum(of_jobs.values()) * a_day for name, of_jobs in counted["requests"].items()}
    by_job = {
        name: ", ".join(f"{number * a_day:.1f} in {job}" for job, number in of_jobs.items())
        for name, of_jobs in counted["requests"].items()
    }
    title = f"{accounts} accounts × {len(operations)} platforms, {hours} h of probes:"
    runs = ", ".join(f"{number} of {job}" for job, number in counted["runs"].items())
    return [
        Limit(
            f"{title} operations per account and day", [max(operations.values())], "", MAX_OPERATIONS,
            note="; ".join(f"{name} {number:.1f} ({by_job[name]})" for name, number in operations.items())
            + f"; runs: {runs}",
        ),
        Limit(
            f"{title} ledger rows per changed account-day", [counted["ledger_rows"] / counted["changed"]], "",
            MAX_LEDGER_ROWS, note=f"{counted['ledger_rows']:,} rows; between two probes {counted['changed']:,} account-"
            f"days changed; {counted['event_mib']:.0f} MiB of events",
        ),
        Limit(
            f"{title} files per run and report", [counted["files"]["most_of_a_run"]], "", MAX_FILES,
            note=f"{counted['files']['all']:,} files; the process took {run.cpu_seconds:.0f} s of CPU time",
        ),
        Limit(
            f"{title} rows of the mart that differ", [counted["differing_rows"]], "", 0,
            note="from the platforms' numbers at the end, after one more morning run",
        ),
    ]  # fmt: skip
