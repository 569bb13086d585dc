"""The queued and running runs that cover late days, so that no second run is requested for them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import dagster as dg

from mdp_dagster.ingest.lateness import LateDay
from mdp_dagster.ingest.requested_days import AccountDays
from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.account_days import account_days
from mdp_dagster.orchestration.partitions import partition_window
from mdp_dagster.window import DateWindow

_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_SILENT_SECONDS = 3600


@dataclass(frozen=True)
class ActiveRun:
    """A queued or running run that extracts the reports.

    Args:
        run_id: The Dagster run.
        window: Its days.
        accounts: The accounts that it extracts; None for all.
        started_at: When it started; None while it is queued.
        days: The days that it extracts of each account; None for its whole window.
        builds: Whether it also builds the models, for all accounts.
    """

    run_id: str
    window: DateWindow
    accounts: frozenset[str] | None
    started_at: datetime | None
    days: AccountDays | None = None
    builds: bool = False

    def covers(self, late: LateDay) -> bool:
        """Returns whether the run does what the late day needs."""
        if late.date not in self.window:
            return False
        if self.builds and not late.reason.needs_extract:
            return True
        if self.days is not None:
            return late.date in self.days.get(late.account_id, ())
        return self.accounts is None or late.account_id in self.accounts


def active_runs(
    instance: dg.DagsterInstance, watched: WatchedReports, covering_jobs: Collection[str]
) -> Iterator[ActiveRun]:
    """Yields the queued and running runs that extract all detail reports.

    A run stays *started* in Dagster after its machine has died, so a run without an event in the last hour is left out.
    At worst, two runs extract the same day.
    """
    tables = {dg.AssetKey(table) for table in watched.detail_tables}
    for record in instance.get_run_records(dg.RunsFilter(statuses=_ACTIVE)):
        run = record.dagster_run
        window = partition_window(run.tags)
        selected = run.asset_selection
        extracts = run.job_name in covering_jobs if selected is None else tables <= selected
        if window is None or not extracts or _is_silent(instance, run):
            continue
        accounts = run_tags.accounts_of(run.tags)
        try:
            days = account_days(run.run_config, watched.detail_tables)
        except ValueError:  # the run will fail
            continue
        yield ActiveRun(
            run.run_id,
            window,
            None if accounts is None else frozenset(accounts),
            None if record.start_time is None else datetime.fromtimestamp(record.start_time, timezone.utc),
            days,
            builds=selected is None,
        )


def _is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Returns whether a started run has not logged any event in the last hour."""
    if run.status is not dg.DagsterRunStatus.STARTED:
        return False
    newest = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return bool(newest) and time.time() - newest[0].timestamp > _SILENT_SECONDS
