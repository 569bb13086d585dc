"""SIGKILL in a known stage: the run is paused, its stage is determined, then it is killed."""

from __future__ import annotations

import time

from chaos.plan_model import Act
from chaos.processes import Running
from chaos.round_state import RoundState
from chaos.stages import Watch

_MAX_TRIES = 50  # some stages last only for milliseconds


def count_key(act: Act, stage: str) -> tuple[str, str]:
    """The group and kind that a kill counts as. The requests and files of several runs can't be distinguished."""
    if act.way != "warm":
        return "command", f"{act.way} killed"
    return "kill", "next to other runs" if act.kind == "overlap" else stage


class PendingKill:
    """A kill that has not happened yet. ``row``: what it counts as. By default, the stage that the run was in."""

    def __init__(self, round_state: RoundState, act: Act, run: Running, watch: Watch, row: str = "") -> None:
        self._round_state = round_state
        self._act = act
        self._run = run
        self._watch = watch
        self._row = row
        self._tries = _MAX_TRIES

    def execute(self) -> bool:
        """Kill the run in its stage. Returns False if the run has left the stage, and continues until the next time."""
        time.sleep(self._act.seconds)
        if not self._run.stop():
            self._run.resume()  # the run of the command has already ended
            return not self._run.alive
        stage = self._watch.stage(self._run)
        self._tries -= 1
        if not self._row and stage != self._act.stage and not self._watch.has_built and self._tries:
            self._run.resume()
            return False
        self._round_state.left_by_kills |= self._watch.leftovers()
        self._run.kill(terminal_only=self._act.way == "backfill's terminal")
        self._count(stage)
        return True

    def _count(self, stage: str) -> None:
        """Count the kill once. A terminal that was killed before it started its run does not count."""
        alone = self._act.way == "backfill's terminal"
        if self._run.orphan is not None or (self._run.killed and not alone):
            self._round_state.counts.count_hit(*count_key(self._act, self._row or stage))
        self._round_state.killed_in = self._row or f"in {stage}"
