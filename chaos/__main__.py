"""``python -m chaos --seed N --seconds S``: see docs/chaos.md."""

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
from typing import NoReturn
from uuid import uuid4

from chaos.api_faults import EVERY_KIND
from chaos.disk import enter_namespace, small_disk
from chaos.place import MARK
from chaos.plan import plan_round, short_plan
from chaos.processes import kill_marked
from chaos.round_state import Scene
from chaos.rounds import Session, run_round
from mdp_dagster.settings import STATE_DIR
from sandbox import Sandbox, World
from sandbox.world import instant

MODULE = "chaos"
_SHORTEST_ROUND_SECONDS = 45
_WHOLE_SECONDS = 300
_MANY = 1_000
_OVERDUE_SECONDS = 120


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    began = time.monotonic()
    enter_namespace(MODULE, arguments)
    folder = Path(tempfile.mkdtemp(prefix="mdp-chaos-"))
    os.environ[MARK] = mark = uuid4().hex  # before anything is started: all that is bears it
    _end_in_time(options.seconds, mark)
    disk = small_disk(folder / "disk")
    try:
        with Sandbox(World(seed=options.seed), folder / "sandbox") as sandbox:
            # gRPC reads it once in a process, and warm processes are forked from one
            os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = sandbox.env["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]
            print(f"seed {options.seed}, {options.seconds:g} s. A full disk is {disk.how}.", flush=True)
            # its last word would be about the semaphores of those that were killed, which it removes
            os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"
            try:
                session = Session.prepare(sandbox, disk, folder / "logs", mark, options.now)
                del os.environ["PYTHONWARNINGS"]
                return _rounds(session, options, began)
            finally:
                kill_marked(mark)
    except KeyboardInterrupt:
        print("\ninterrupted", flush=True)
        return 130
    finally:
        disk.let_go()
        shutil.rmtree(folder, ignore_errors=True)


def _end_in_time(seconds: float, mark: str) -> None:
    """Whatever hangs, this program ends; and nothing that it has started outlives it."""

    def overdue(*_: object) -> NoReturn:
        kill_marked(mark)  # first, or it would be waited for
        sys.exit(f"FAILED: hasn't ended {_OVERDUE_SECONDS} s after its time")

    signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, seconds + _OVERDUE_SECONDS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description="Everything that can go wrong, mixed.")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="what the plans are drawn from")
    parser.add_argument("--seconds", type=float, default=300, help="how long it may take")
    parser.add_argument("--round", type=int, help="this round alone")
    parser.add_argument("--rounds", type=int, default=_MANY, help="so many rounds at most")
    parser.add_argument("--now", type=instant, help="the instant at which rounds begin that would begin now")
    parser.add_argument("--short", action="store_true", help="one short round, as in the tests")
    options = parser.parse_args(arguments)
    if "--seed" not in arguments:
        arguments += ["--seed", str(options.seed)]  # who begins anew in a namespace keeps it
    return options


def _rounds(session: Session, options: argparse.Namespace, began: float) -> int:
    deadline = began + options.seconds
    numbers = [0] if options.short else range(options.rounds) if options.round is None else [options.round]
    for number in numbers:
        # the first one is for any time: a comparison is what this is about
        if number != numbers[0] and time.monotonic() + _SHORTEST_ROUND_SECONDS > deadline:
            break
        plan = short_plan(options.seed) if options.short else plan_round(options.seed, number)
        print(plan, flush=True)
        scene = run_round(session, plan, deadline)
        if scene.problems:
            kill_marked(session.mark)  # what it left is to be copied
            _tell_failure(scene, options)
            return 1
        for path in (scene.place.folder, scene.place.logs):
            shutil.rmtree(path, ignore_errors=True)
    limited = options.short or options.round is not None or options.rounds < _MANY
    whole = not limited and options.seconds >= _WHOLE_SECONDS
    return _tell_end(session, time.monotonic() - began, whole)


def _tell_failure(scene: Scene, options: argparse.Namespace) -> None:
    number, short = scene.plan.number, " --short" if options.short else ""
    kept = scene.place.keep(STATE_DIR / "chaos" / f"seed-{options.seed}-round-{number}")
    print(f"\nFAILED: seed {options.seed}, round {number}")
    for problem in scene.problems:
        print(f"- {problem}")
    print(f"\nWhat it left: {kept}")
    now = f" --now {scene.began.isoformat()}" if scene.plan.base is None else ""
    which = short or f" --round {number}"
    print(f"The same plan again: python -m {MODULE} --seed {options.seed}{which}{now}")


def _tell_end(session: Session, seconds: float, whole: bool) -> int:
    tally = session.tally
    print(f"\n{tally.table()}\n")
    required, missing = tally.required_and_missing(), tally.missing(EVERY_KIND)
    if whole and missing:
        print(f"not met in this time: {', '.join(missing)}\n")
    if whole and required:
        print(f"FAILED: five minutes have to meet these, and haven't: {', '.join(required)}")
        return 1
    if not sum(tally.hit.values()):
        print("FAILED: nothing hit, so nothing was tried")
        return 1
    work = ", ".join(f"{tally.work[name]} {name}" for name in ("rounds", "runs", "rows compared", "days compared"))
    print(f"SURVIVED: {sum(tally.hit.values())} faults, {work}, in {seconds:.0f} s.")
    print("No row lost, doubled or stale; no secret in any file; no process left.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
