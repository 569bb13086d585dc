"""A workspace of the bench: its folder, its clients file, its environment, and the commands that run in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from bench.processes import ROOT, FinishedProcess, measured, python
from mdp_dagster.cli.dagster_home import prepare_dagster_home
from mdp_dagster.cli.job_run import RunRequest
from mdp_dagster.cli.workspace import Workspace
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.window import DateWindow
from sandbox.platforms import platforms

GOOGLE, META = "google_ads", "meta_ads"
TODAY = date.today()


def days_ago(first: int, last: int = 0) -> DateWindow:
    """The window between two days, in days before today."""
    return DateWindow.of_days(TODAY - timedelta(days=first), TODAY - timedelta(days=last))


def accounts_of(count: int) -> dict[str, list[str]]:
    """The accounts that only measurements use, by platform. Their numbers follow those of the named accounts."""
    return {
        name: [platform.numbered_account(sum(a.serves_ads for a in platform.accounts) + n) for n in range(count)]
        for name, platform in platforms().items()
    }


class BenchWorkspace:
    """A workspace of the bench.

    Args:
        folder: A new folder.
        sandbox: The environment with the sandbox's addresses.
        accounts: The accounts by platform.
        start: The first partition.
    """

    def __init__(
        self, folder: Path, sandbox: Mapping[str, str], accounts: Mapping[str, list[str]], start: date
    ) -> None:
        workspace = Workspace(folder)
        self.folder, self.warehouse = folder, workspace.warehouse
        folder.mkdir(parents=True)
        clients = folder / "clients.yaml"
        listed = "".join(
            f"      {platform}: [{', '.join(map(repr, ids))}]\n" for platform, ids in accounts.items() if ids
        )
        clients.write_text(
            f"clients:\n  - id: bench\n    name: Bench\n    reporting_currency: EUR\n    accounts:\n{listed}"
        )
        self.accounts = accounts
        own = {"MDP_CLIENTS_FILE": str(clients), "MDP_START_DATE": str(start)}
        self.env = workspace.environment({**sandbox, **own})
        prepare_dagster_home(workspace.dagster_home)

    def run(self, window: DateWindow, select: str = "*") -> FinishedProcess:
        """Run the main job in a process, and measure it."""
        request = RunRequest(str(uuid4()), range_tags(window), select)
        return measured(python("mdp_dagster.cli.job_run", request.dump()), self.env, self.folder / "run.log")

    def script(self, module: str, *arguments: str) -> FinishedProcess:
        """Run one of the bench's own modules in this environment, and measure it."""
        return measured(python(module, *arguments), self.env, self.folder / f"{module.rpartition('.')[2]}.log")

    def dbt_build(self, window: DateWindow) -> FinishedProcess:
        """Run dbt's own command on the same models and tests. After the first time, its project is parsed."""
        variables = (
            f"{{window_start: '{window.start}', window_end: '{window.end}', "
            f"recent_start: '{days_ago(7).start}', recent_end: '{days_ago(0).end}'}}"
        )
        target = self.folder / "dbt-target"
        command = python(
            "dbt.cli.main", "build", "--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt"),
            "--target-path", str(target), "--log-path", str(target), "--exclude-resource-type", "unit_test",
            "--select", "tag:ads", "--no-send-anonymous-usage-stats", "--vars", variables,
        )  # fmt: skip
        return measured(command, self.env, self.folder / "dbt.log")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def count(self, table: str) -> int:
        """The number of rows in a table."""
        return int(self.query(f"select count(*) from {table}")[0][0])
