"""The end of a round: all runs are completed, by commands or by MDP's own recovery. Then everything is compared."""

from __future__ import annotations

from chaos import child_process
from chaos.comparison import FinalState, all_problems
from chaos.dagster_runs import without_end
from chaos.edits import days_changed_back
from chaos.processes import Running, leftover_processes, start_warm
from chaos.raw_contents import changed_rows, raw_contents
from chaos.round_state import PATIENCE_SECONDS, RoundState
from chaos.run_starts import start_over_window
from chaos.secret_leaks import leaks, secrets_of
from mdp_dagster.window import join_days

# The sensors treat the days of a killed run as occupied for this time (docs/late_data.md).
_DEAD_RUNS_COUNT_SECONDS = 3660


def recover(round_state: RoundState) -> None:
    """Repeat the commands for missing or stale days, or run the probe and the runs of its sensors."""
    round_state.sandbox.faults.clear()
    by_probe = round_state.plan.recovery == "probe"
    # The probe compares an account's totals with the earlier ones. A rejected row does not change them, nor does
    # a day that changed and changed back, although its campaigns may have been extracted in between.
    unseen = round_state.rejected | days_changed_back(round_state)
    for window in join_days(unseen if by_probe else round_state.stale):
        _finish(round_state, start_over_window(round_state, window, "again", clock=round_state.clock))
    if by_probe:
        round_state.pass_time(_DEAD_RUNS_COUNT_SECONDS)
        name = round_state.name("late-days")
        _finish(
            round_state,
            start_warm(child_process.reload_late_days, round_state.workspace, name, clock=round_state.now.timestamp()),
        )


def _finish(round_state: RoundState, run: Running) -> None:
    if run.wait(PATIENCE_SECONDS) is None:
        run.dump_stacks()
        run.kill()
        round_state.report_failure(run, f"did not end within {PATIENCE_SECONDS} s")
    elif run.code != 0:
        round_state.report_failure(run, f"ended with {run.code}, although every obstacle was gone")


def compare(round_state: RoundState, mark: str, known: list[int]) -> None:
    """Compare everything, and record the problems."""
    workspace = round_state.workspace
    round_state.problems += [
        f"a process is left: {pid} {command}" for pid, command in leftover_processes(mark, known).items()
    ]
    warehouse = workspace.warehouse()
    world, days = round_state.sandbox.world, round_state.days
    expected = FinalState(world, days, workspace.lake, round_state.left_by_kills, round_state.unsettled)
    rows, problems = all_problems(warehouse, expected)
    round_state.counts.work["rows compared"] += rows
    round_state.counts.work["days compared"] += len(round_state.days)
    round_state.problems += problems
    if not problems:
        round_state.problems += list(changed_rows(round_state.kept, raw_contents(warehouse), "raw has changed"))[:5]
    round_state.problems += leaks([workspace.folder, workspace.logs], secrets_of(round_state.sandbox.env))
    round_state.problems += left_folders(round_state)
    if unexplained := without_end(workspace.home) - round_state.without_end:
        round_state.problems.append(f"runs that have not ended, although they were not killed: {sorted(unexplained)}")


def left_folders(round_state: RoundState) -> list[str]:
    """The folders of dbt that no killed run explains."""
    left = set(round_state.workspace.temporary.glob("mdp-dbt-*")) - round_state.left_by_kills
    return [f"a folder that no killed run explains: {folder}" for folder in sorted(left)]
