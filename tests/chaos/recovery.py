"""After a round: everything is run to completion, as people would, or as MDP does by itself."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from mdp_dagster.window import join_days
from tests.chaos import child
from tests.chaos.acts import PATIENCE_SECONDS, run_window
from tests.chaos.leaks import leaks, secrets_of
from tests.chaos.processes import Running, left_behind, start_warm
from tests.chaos.scene import Scene
from tests.chaos.verify import all_problems

# A run that was killed keeps its days for so long, as far as the sensors know (docs/late_data.md).
_DEAD_RUNS_COUNT_SECONDS = 3660
_UNFINISHED_PER_KILL = 8  # accounts that are pulled side by side, each with its rejects


def recover(scene: Scene) -> None:
    """The commands again for what is missing or out of date, or the probe and what its sensors ask for."""
    scene.sandbox.faults.clear()
    by_probe = scene.plan.recovery == "probe"
    # a rejected row leaves its account's totals as they were: a check says so, and the probe can't see it
    for window in join_days(scene.rejected if by_probe else scene.stale):
        _finish(scene, run_window(scene, window, "again", clock=scene.clock))
    if by_probe:
        scene.time_passes(_DEAD_RUNS_COUNT_SECONDS)
        name = scene.name("late-days")
        _finish(scene, start_warm(child.reload_late_days, scene.place, name, clock=scene.now.timestamp()))


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
    rows, problems = all_problems(
        place.warehouse(), scene.sandbox.world, scene.days, place.lake, scene.kills * _UNFINISHED_PER_KILL
    )
    scene.tally.work["rows compared"] += rows
    scene.tally.work["days compared"] += len(scene.days)
    scene.problems += problems
    scene.problems += leaks([place.folder, place.logs], secrets_of(scene.sandbox.env))
    scene.problems += _left_folders(scene)
    scene.problems += _runs_without_an_end(place.home, scene.kills + scene.cut_off)


def wait_for_orphans(scene: Scene, mark: str, known: list[int]) -> None:
    """A run whose terminal was killed goes on, and ends by itself."""
    began = time.monotonic()
    if left := left_behind(mark, known, PATIENCE_SECONDS):
        scene.problems.append(f"still there after {time.monotonic() - began:.0f} s: {left}")


def _left_folders(scene: Scene) -> list[str]:
    """dbt's folder of a run that was killed stays; no other does."""
    left = [name for name in os.listdir(scene.place.temporary) if name.startswith("mdp-dbt-")]
    if len(left) <= scene.kills_in_dbt:
        return []
    return [f"{len(left)} of dbt's temporary folders are left, and {scene.kills_in_dbt} runs were killed there"]


def _runs_without_an_end(home: Path, allowed: int) -> list[str]:
    """Runs that Dagster takes to be under way: those that were killed or had no disk to write to, and no other."""
    with closing(sqlite3.connect(home / "history" / "runs.db")) as connection:
        under_way = connection.execute(
            "select run_id, status from runs where status not in ('SUCCESS', 'FAILURE', 'CANCELED')"
        ).fetchall()
    if len(under_way) <= allowed:
        return []
    return [f"{len(under_way)} runs without an end, of {allowed} it would be understood: {under_way}"]
