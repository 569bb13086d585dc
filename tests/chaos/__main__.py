"""``python -m tests.chaos --seed N --seconds S``: see docs/chaos.md."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from mdp_dagster.sandbox import Sandbox, World
from mdp_dagster.settings import STATE_DIR
from tests.chaos.api_faults import EVERY_KIND
from tests.chaos.disk import enter_namespace, small_disk
from tests.chaos.place import MARK
from tests.chaos.plan import plan_round, short_plan
from tests.chaos.rounds import Stage, run_round
from tests.chaos.scene import Scene

MODULE = "tests.chaos"
_SHORTEST_ROUND_SECONDS = 45


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    began = time.monotonic()
    enter_namespace(MODULE, arguments)
    folder = Path(tempfile.mkdtemp(prefix="mdp-chaos-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # with what is cleaned up below
    os.environ[MARK] = mark = uuid4().hex  # before anything is started: all that is bears it
    disk = small_disk(folder / "disk")
    try:
        with Sandbox(World(seed=options.seed), folder / "sandbox") as sandbox:
            # gRPC reads it once in a process, and warm processes are forked from one
            os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = sandbox.env["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]
            print(f"seed {options.seed}, {options.seconds:g} s. A full disk is {disk.how}.", flush=True)
            # its last word would be about the semaphores of those that were killed, which it removes
            os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"
            stage = Stage.prepare(sandbox, disk, folder / "logs", mark)
            del os.environ["PYTHONWARNINGS"]
            return _rounds(stage, options, began)
    finally:
        disk.let_go()
        shutil.rmtree(folder, ignore_errors=True)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description="Everything that can go wrong, mixed.")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="what the plans are drawn from")
    parser.add_argument("--seconds", type=float, default=300, help="how long it may take")
    parser.add_argument("--round", type=int, help="this round alone")
    parser.add_argument("--rounds", type=int, default=1_000, help="so many rounds at most")
    parser.add_argument("--short", action="store_true", help="one short round, as in the tests")
    options = parser.parse_args(arguments)
    if "--seed" not in arguments:
        arguments += ["--seed", str(options.seed)]  # who begins anew in a namespace keeps it
    return options


def _rounds(stage: Stage, options: argparse.Namespace, began: float) -> int:
    deadline = began + options.seconds
    numbers = [0] if options.short else range(options.rounds) if options.round is None else [options.round]
    for number in numbers:
        # the first one is for any time: a comparison is what this is about
        if number != numbers[0] and time.monotonic() + _SHORTEST_ROUND_SECONDS > deadline:
            break
        plan = short_plan(options.seed) if options.short else plan_round(options.seed, number)
        print(plan, flush=True)
        scene = run_round(stage, plan, deadline)
        if scene.problems:
            _tell_failure(scene, options.seed)
            return 1
        for path in (scene.place.folder, scene.place.logs):
            shutil.rmtree(path, ignore_errors=True)
    _tell_success(stage, time.monotonic() - began, options.round is None and not options.short)
    return 0


def _tell_failure(scene: Scene, seed: int) -> None:
    kept = scene.place.keep(STATE_DIR / "chaos" / f"seed-{seed}-round-{scene.plan.number}")
    print(f"\nFAILED: seed {seed}, round {scene.plan.number}")
    for problem in scene.problems:
        print(f"- {problem}")
    print(f"\nWhat it left: {kept}")
    print(f"The same plan again: python -m {MODULE} --seed {seed} --round {scene.plan.number}")


def _tell_success(stage: Stage, seconds: float, whole: bool) -> None:
    tally = stage.tally
    print(f"\n{tally.table()}\n")
    missing = tally.missing(EVERY_KIND)
    if missing and whole:
        print(f"not met in this time: {', '.join(missing)}\n")
    work = ", ".join(f"{tally.work[name]} {name}" for name in ("rounds", "runs", "rows compared", "days compared"))
    print(f"SURVIVED: {sum(tally.hit.values())} faults, {work}, in {seconds:.0f} s.")
    print("No row lost, doubled or stale; no secret in any file; no process left.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
