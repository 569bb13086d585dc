"""The earlier runs that a run continues: by a re-execution in the UI, Dagster's retry, or a resumed backfill."""

from __future__ import annotations

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus

from mdp_dagster.orchestration import run_tags


def unfinished_before(instance: dg.DagsterInstance, run: DagsterRun) -> list[str]:
    """Returns the earlier runs of the chain that did not succeed, newest first.

    The run does not extract again the accounts that they committed. A chain ends at a run that succeeded, because to
    execute such a run again means to extract again. It also ends at a deleted run, because its result is unknown.
    """
    found: list[str] = []
    waiting = _before(run)
    while waiting:
        run_id = waiting.pop()
        earlier = None if run_id in found else instance.get_run_by_id(run_id)
        if earlier is not None and earlier.status != DagsterRunStatus.SUCCESS:
            found.append(run_id)
            waiting += _before(earlier)
    return found


def _before(run: DagsterRun) -> list[str]:
    """Returns the run that this one was made from. A re-execution also has its parent's tags: the parent is first."""
    before = run.parent_run_id or run.tags.get(run_tags.CONTINUES)
    return [before] if before else []
