"""Repeats a killed command as a user would: it continues the killed run, or waits until it may start."""

from __future__ import annotations

from chaos.dagster_runs import SUCCESS, dagster_runs, end_of
from chaos.plan_model import Act
from chaos.processes import Running
from chaos.round_state import PATIENCE_SECONDS, RoundState
from chaos.run_outcomes import check_success
from chaos.run_starts import command

_CONTINUES_TEXT = "Continuing run"
_REFUSED_TEXT = "is already running"


def repeat_command(round_state: RoundState, act: Act, killed: Running, before: set[str]) -> None:
    """Repeat the act's command, and check that it continues or is refused. ``before``: Dagster's runs until the act."""
    begun = dagster_runs(round_state.workspace.home).keys() - before
    again = command(round_state, act)
    if again.wait(PATIENCE_SECONDS) is None:
        again.kill()
        round_state.report_failure(again, f"did not end within {PATIENCE_SECONDS} s")
        return
    if killed.orphan is not None:
        _check_orphaned_run(round_state, again, begun)
    elif again.code != 0:
        round_state.report_failure(again, f"the repeated command ended with {again.code}")
    elif act.way.startswith("backfill") and begun:
        if _CONTINUES_TEXT not in again.output():
            round_state.report_failure(again, f"the repeated command does not continue the killed run: {begun}")
        round_state.counts.count_hit("command", "backfill continues")
    else:
        round_state.counts.count_hit("command", f"{act.way} repeated")
    if not round_state.problems:
        check_success(round_state, act)


def _check_orphaned_run(round_state: RoundState, again: Running, begun: set[str]) -> None:
    """Check that the orphaned run succeeds, and that the repeated command does not run at the same time."""
    if again.code != 0 and _REFUSED_TEXT not in again.output():
        round_state.report_failure(again, "was refused next to the running one, but does not say so")
    round_state.counts.count_hit(
        "command", "backfill again, refused" if again.code else "backfill again, after its end"
    )
    for run_id in begun:
        if (status := end_of(round_state.workspace.home, run_id, PATIENCE_SECONDS)) != SUCCESS:
            round_state.problems.append(f"run {run_id} ended with {status} after its terminal was killed")
    round_state.without_end -= begun
