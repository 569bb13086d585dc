"""SIGKILL where a run was seen to be: it is stopped first, looked at while it stands still, and then killed."""

from __future__ import annotations

import time

from chaos.plan_model import Act
from chaos.processes import Running
from chaos.round_state import Scene
from chaos.stages import Watch

_TRIES = 50  # to catch a run in a stage that lasts for milliseconds


def row_of(act: Act, stage: str) -> tuple[str, str]:
    """What the kill is counted as. Of several runs, the requests and files of one can't be told from the others'."""
    if act.way != "warm":
        return "command", f"{act.way} killed"
    return "kill", "beside other runs" if act.kind == "overlap" else stage


class Strike:
    """A kill that is still to come. ``row``: what it is counted as; without it, as the stage that the run was in."""

    def __init__(self, scene: Scene, act: Act, run: Running, watch: Watch, row: str = "") -> None:
        self._scene = scene
        self._act = act
        self._run = run
        self._watch = watch
        self._row = row
        self._tries = _TRIES

    def happens(self) -> bool:
        """Whether it is over: a run that has left the stage meanwhile goes on, until the stage comes again."""
        time.sleep(self._act.seconds)
        if not self._run.stop():
            self._run.go_on()  # a command whose run has ended by itself
            return not self._run.alive
        stage = self._watch.stage(self._run)
        self._tries -= 1
        if not self._row and stage != self._act.stage and not self._watch.has_built and self._tries:
            self._run.go_on()
            return False
        self._scene.left_by_kills |= self._watch.leftovers()
        self._run.kill(terminal_only=self._act.way == "backfill's terminal")
        self._count(stage)
        return True

    def _count(self, stage: str) -> None:
        """Each kill once; not that of a terminal that was to die alone, and hadn't begun its run."""
        alone = self._act.way == "backfill's terminal"
        if self._run.left_alone is not None or (self._run.killed and not alone):
            self._scene.tally.met(*row_of(self._act, self._row or stage))
        self._scene.told = self._row or f"in {stage}"
