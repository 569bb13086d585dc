"""A command that was killed is typed again, as a person would: it continues, or waits until it may."""

from __future__ import annotations

from chaos.dagster_runs import SUCCESS, dagster_runs, end_of
from chaos.plan_model import Act
from chaos.processes import Running
from chaos.round_state import PATIENCE_SECONDS, Scene
from chaos.run_outcomes import has_succeeded
from chaos.run_starts import command

_CONTINUES = "Continuing run"
_UNDER_WAY = "is already running"


def type_again(scene: Scene, act: Act, killed: Running, before: set[str]) -> None:
    """``before``: the runs that Dagster knew when the act began."""
    begun = dagster_runs(scene.place.home).keys() - before
    again = command(scene, act)
    if again.wait(PATIENCE_SECONDS) is None:
        again.kill()
        scene.has_failed(again, f"hasn't ended in {PATIENCE_SECONDS} s")
        return
    if killed.left_alone is not None:
        _beside_the_one_left_alone(scene, again, begun)
    elif again.code != 0:
        scene.has_failed(again, f"typed again, ended with {again.code}")
    elif act.way.startswith("backfill") and begun:
        if _CONTINUES not in again.said():
            scene.has_failed(again, f"typed again, doesn't continue the run that was killed: {begun}")
        scene.tally.met("command", "backfill continues")
    else:
        scene.tally.met("command", f"{act.way} anew")
    if not scene.problems:
        has_succeeded(scene, act)


def _beside_the_one_left_alone(scene: Scene, again: Running, begun: set[str]) -> None:
    """The run goes on without its terminal, and the same command doesn't begin beside it."""
    if again.code != 0 and _UNDER_WAY not in again.said():
        scene.has_failed(again, "was refused beside the run that goes on, without saying so")
    scene.tally.met("command", "backfill again, refused" if again.code else "backfill again, after its end")
    for run_id in begun:
        if (status := end_of(scene.place.home, run_id, PATIENCE_SECONDS)) != SUCCESS:
            scene.problems.append(f"run {run_id}, whose terminal was killed, ended with {status}")
    scene.without_end -= begun
