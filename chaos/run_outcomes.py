"""Checks the end of an act's runs: was the exit code expected, and are all rows present?"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from chaos.api_faults import ApiFault
from chaos.comparison import problems_now
from chaos.dagster_runs import dagster_runs, overlapped, without_end
from chaos.database_holder import DatabaseHolder
from chaos.ledger_agreement import raw_problems
from chaos.plan_model import AccountDay, Act
from chaos.processes import Running
from chaos.raw_contents import changed_rows, raw_contents
from chaos.round_state import RoundState
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.warehouse.base import Warehouse, WarehouseError
from mdp_dagster.window import DateWindow
from sandbox.faults import Fault

_DISK_WORDS = ("No space left", "disk is full", "File too large", "disk I/O error", "[Errno 28]", "[Errno 27]")
_LOCK_WORDS = ("Could not set lock on file", "is in use: ")


def count_api_hits(round_state: RoundState, faults: list[tuple[ApiFault, Fault]], window: DateWindow) -> bool:
    """Count the faults that occurred. Returns whether one of them may cost rows or the run's success."""
    costly = False
    for planned, fault in faults:
        name = f"{planned.recipe.platform} {planned.recipe.kind}"
        round_state.counts.count_planned("api", name)
        round_state.counts.count_hit("api", name, fault.hits)
        if fault.hits and planned.recipe.kind == "malformed":
            round_state.rejected.update(window.days())
        costly |= bool(fault.hits) and planned.recipe.costs != "nothing"
    return costly


@dataclass(frozen=True)
class RunOutcome:
    """The end of an act's runs.

    Args:
        act: The act.
        runs: Its runs.
        costly: Whether an API fault occurred that may cost rows or the run's success.
        holder: The other program that had the database open, if the act has one.
        during: Account-days that may have been extracted before they changed.
    """

    act: Act
    runs: list[Running]
    costly: bool
    holder: DatabaseHolder | None
    during: Collection[AccountDay]


def check_outcomes(round_state: RoundState, outcome: RunOutcome) -> None:
    """Check the exit codes, and record which days are now missing or stale."""
    act, runs, costly, holder = outcome.act, outcome.runs, outcome.costly, outcome.holder
    refused = act.kind == "refused" and holder is not None and holder.contended
    for run in runs:
        window = round_state.days if run.name.endswith("daily") else round_state.window(act.window)
        if run.code != 0 or costly:
            round_state.stale.update(window.days())
        # With a clock that was set back, MDP orders extracts by the ledger. One that landed but was not committed
        # stays the newest one in the lake.
        if (costly and run.killed) or (act.clock is not None and act.clock.kind == "set back"):
            round_state.unsettled.update(window.days())
        if run.code != 0 and not (run.killed or run.orphan or costly or refused or act.kind == "disk"):
            round_state.report_failure(run, f"ended with {run.code}, although it must survive everything that happened")
    _count_obstacles(round_state, act, runs, holder)
    check_unfinished_runs(round_state, runs, cut_off=act.kind == "disk")
    time_passed = act.clock is not None and act.clock.time_passes
    if len(runs) == 1 and runs[0].code == 0 and not costly and not time_passed:
        check_success(round_state, act, outcome.during)


def check_success(round_state: RoundState, act: Act, during: Collection[AccountDay] = ()) -> None:
    """Compare all rows of the act's window after a run without an obstacle that it may fail on."""
    window = round_state.window(act.window)
    round_state.stale.difference_update(set(window.days()) - {day for _, _, day in during})
    try:
        with round_state.workspace.snapshot() as warehouse:
            compared, problems = problems_now(warehouse, round_state.sandbox.world, window, during)
    except WarehouseError as error:
        compared, problems = 0, [f"the warehouse can't be read: {error}"]
    round_state.counts.work["rows compared"] += compared
    round_state.counts.work["days compared"] += len(window)
    round_state.problems += [f"right after a successful run of {window}: {problem}" for problem in problems]


def check_raw(round_state: RoundState, act: Act) -> None:
    """Check that raw still has all its earlier rows and agrees with its ledger. This must be true after any act."""
    try:
        with round_state.workspace.snapshot() as warehouse:
            kept = raw_contents(warehouse)
            round_state.problems += list(changed_rows(round_state.kept, kept, "raw has changed"))[:5]
            if kept:
                round_state.problems += raw_problems(warehouse)[:5]
            if kept and act.clock is not None and act.clock.skew_seconds:
                round_state.counts.count_hit(
                    "clock", act.clock.kind, _has_future_extract(warehouse, round_state.now, act.clock.skew_seconds)
                )
            round_state.kept = kept
    except WarehouseError as error:
        round_state.problems.append(f"the warehouse can't be read: {error}")


def _has_future_extract(warehouse: Warehouse, now: datetime, seconds: float) -> bool:
    """Whether the newest extract has a start time in the future."""
    [row] = warehouse.query(f"select max(extracted_at) as newest from {EXTRACTS.id}").to_pylist()
    return row["newest"] is not None and row["newest"] > now.replace(tzinfo=None) + timedelta(seconds=seconds / 2)


def check_unfinished_runs(round_state: RoundState, runs: list[Running], cut_off: bool = False) -> None:
    """Check the runs that Dagster shows as running: only runs that were killed or had a full disk may be among them."""
    new = without_end(round_state.workspace.home) - round_state.without_end
    for run in runs:
        if run.orphan or (run.killed and not run.run_id):
            round_state.without_end |= set(sorted(new)[:1])  # a command has only one run
        elif run.killed or (cut_off and run.code != 0):
            round_state.without_end.add(run.run_id)
    if unexplained := new - round_state.without_end:
        round_state.problems.append(f"runs that have not ended, although they were not killed: {sorted(unexplained)}")


def _count_obstacles(round_state: RoundState, act: Act, runs: list[Running], holder: DatabaseHolder | None) -> None:
    """Count the obstacles that a run met, and check that its log names them."""
    run = runs[0]
    if act.kind == "disk" and run.code != 0:
        round_state.counts.count_hit("disk", "full")
        if not any(word in run.output() for word in _DISK_WORDS):
            round_state.report_failure(run, "failed on a full disk, but does not say so")
    if holder is not None and holder.contended:
        round_state.counts.count_hit("locked", act.kind)
        if act.kind == "refused" and run.code == 0:
            round_state.report_failure(run, "succeeded, although the database was locked for longer than its timeout")
        elif act.kind == "refused" and not any(word in run.output() for word in _LOCK_WORDS):
            round_state.report_failure(run, "failed on a locked database, but does not say so")
    if act.kind == "overlap":
        shown = dagster_runs(round_state.workspace.home)
        mine = [shown[each.run_id] for each in runs if each.run_id in shown]
        if overlapped(mine, round_state.clock or time.time()):
            round_state.counts.count_hit("overlap", "two backfills and the daily run")
