"""Which earlier runs a run continues: a re-execution in the UI, Dagster's own retry, an interrupted backfill."""

from __future__ import annotations

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus

from mdp_dagster.orchestration import run_tags


def unfinished_before(instance: dg.DagsterInstance, run: DagsterRun) -> list[str]:
    """The runs before this one in its chain that did not succeed, newest first.

    What they committed needn't be pulled again. A chain ends at a run that succeeded: to run that again means to ask
    the platforms anew. It also ends at one that was deleted, of which nobody knows how it ended.
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
    """The run that this one was made from. A re-execution in the UI has its parent's tags too: the parent is nearer."""
    before = run.parent_run_id or run.tags.get(run_tags.CONTINUES)
    return [before] if before else []
