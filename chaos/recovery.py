"""After a round: everything is run to completion, as people would, or as MDP does by itself. Then all is compared."""

from __future__ import annotations

from chaos import child_process
from chaos.comparison import all_problems
from chaos.dagster_runs import without_end
from chaos.edits import days_as_they_were_before
from chaos.processes import Running, left_behind, start_warm
from chaos.raw_contents import lost_problems, pulls
from chaos.round_state import PATIENCE_SECONDS, Scene
from chaos.run_starts import run_window
from chaos.secret_leaks import leaks, secrets_of
from mdp_dagster.window import join_days

# A run that was killed keeps its days for so long, as far as the sensors know (docs/late_data.md).
_DEAD_RUNS_COUNT_SECONDS = 3660


def recover(scene: Scene) -> None:
    """The commands again for what is missing or out of date, or the probe and what its sensors ask for."""
    scene.sandbox.faults.clear()
    by_probe = scene.plan.recovery == "probe"
    # The probe compares an account's totals with those of before. A rejected row leaves them as they were, and so does
    # a day that changed and changed back, though its campaigns may have been pulled in between.
    unseen = scene.rejected | days_as_they_were_before(scene)
    for window in join_days(unseen if by_probe else scene.stale):
        _finish(scene, run_window(scene, window, "again", clock=scene.clock))
    if by_probe:
        scene.time_passes(_DEAD_RUNS_COUNT_SECONDS)
        name = scene.name("late-days")
        _finish(scene, start_warm(child_process.reload_late_days, scene.place, name, clock=scene.now.timestamp()))


def _finish(scene: Scene, run: Running) -> None:
    if run.wait(PATIENCE_SECONDS) is None:
        run.say_where_it_stands()
        run.kill()
        scene.has_failed(run, f"hasn't ended in {PATIENCE_SECONDS} s")
    elif run.code != 0:
        scene.has_failed(run, f"ended with {run.code}, though every obstacle was gone")


def compare(scene: Scene, mark: str, known: list[int]) -> None:
    """Adds to the problems whatever isn't as it should be."""
    place = scene.place
    scene.problems += [f"a process is left: {pid} {command}" for pid, command in left_behind(mark, known).items()]
    warehouse = place.warehouse()
    rows, problems = all_problems(
        warehouse, scene.sandbox.world, scene.days, place.lake, scene.left_by_kills, scene.unsettled
    )
    scene.tally.work["rows compared"] += rows
    scene.tally.work["days compared"] += len(scene.days)
    scene.problems += problems
    if not problems:
        scene.problems += list(lost_problems(scene.kept, pulls(warehouse), "raw has changed"))[:5]
    scene.problems += leaks([place.folder, place.logs], secrets_of(scene.sandbox.env))
    scene.problems += left_folders(scene)
    if unexplained := without_end(place.home) - scene.without_end:
        scene.problems.append(f"runs without an end, that nobody killed: {sorted(unexplained)}")


def left_folders(scene: Scene) -> list[str]:
    """dbt's folder of a run that was killed stays; no other does."""
    left = set(scene.place.temporary.glob("mdp-dbt-*")) - scene.left_by_kills
    return [f"left by a run that nobody killed: {folder}" for folder in sorted(left)]
