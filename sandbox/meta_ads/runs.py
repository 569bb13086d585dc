"""Report runs: an insights request that is answered later. Its status moves on with every look at it."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.meta_ads.errors import GraphError
from sandbox.meta_ads.params import InsightsRequest
from sandbox.model import Account

_STAGES = (("Job Not Started", 0), ("Job Started", 0), ("Job Running", 40), ("Job Running", 85))
_FAILED = ("Job Failed", "Job Skipped")


@dataclass(slots=True)
class Run:
    """A report run. `outcome` is its status at the end; a stuck run has none. `rows` are as of its start."""

    id: str
    account: Account
    request: InsightsRequest
    outcome: str | None
    created: float
    polls: int = 0
    rows: list[str] = field(default_factory=list)

    def status(self) -> tuple[str, int]:
        """Returns the run's `async_status` and its percentage."""
        if self.polls <= len(_STAGES):
            return _STAGES[max(0, self.polls - 1)]
        if self.outcome is None:
            return "Job Running", 12
        return self.outcome, 47 if self.outcome in _FAILED else 100

    @property
    def done(self) -> bool:
        """Returns whether the run's result can be read."""
        return self.status()[0] == "Job Completed"

    def node(self) -> dict[str, Any]:
        """Returns the run as the API shows it."""
        status, percent = self.status()
        node: dict[str, Any] = {
            "id": self.id,
            "account_id": self.account.id,
            "time_ref": int(self.created),
            "async_status": status,
            "async_percent_completion": percent,
            "is_running": status not in ("Job Completed", *_FAILED),
            "date_start": self.request.since.isoformat(),
            "date_stop": self.request.until.isoformat(),
        }
        if self.done:
            node["time_completed"] = int(time.time())
        if status == "Job Failed":
            message = "An unexpected error has occurred. Please retry your request later."
            node |= {"error_code": 2, "error_message": message}
        return node


class Runs:
    """All report runs that were started. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(6_080_000_000_000_001)
        self._runs: dict[str, Run] = {}

    def start(self, account: Account, request: InsightsRequest, outcome: str | None, rows: list[str]) -> Run:
        """Starts a report run and returns it."""
        with self._lock:
            run = Run(str(next(self._numbers)), account, request, outcome, time.time(), rows=rows)
            self._runs[run.id] = run
            return run

    def find(self, run_id: str) -> Run | None:
        """Returns a run by its id; None if there is none."""
        with self._lock:
            return self._runs.get(run_id)

    def look(self, run: Run) -> dict[str, Any]:
        """The run as it is now; looking moves it on."""
        with self._lock:
            run.polls += 1
            return run.node()


def not_ready(run: Run) -> GraphError:
    """Returns the error for a run that was read before its end."""
    status = run.status()[0]
    return GraphError(
        2601,
        f"(#2601) Error accessing adreport job: the job is not completed ({status})",
        type="OAuthException",
    )
