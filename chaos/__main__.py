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
from chaos.plan import plan_round, short_plan
from chaos.processes import kill_marked
from chaos.round_state import RoundState
from chaos.round_workspace import MARK
from chaos.rounds import Session, run_round
from mdp_dagster.settings import STATE_DIR
from sandbox import Sandbox, World
from sandbox.world import instant

MODULE = "chaos"
_MIN_ROUND_SECONDS = 45
_FULL_RUN_SECONDS = 300
_NO_LIMIT = 1_000
_OVERDUE_SECONDS = 120


def main(arguments: list[str]) -> int:
    """Run chaos, and return the exit code: 0 if MDP survived all faults."""
    options = _options(arguments)
    began = time.monotonic()
    enter_namespace(MODULE, arguments)
    folder = Path(tempfile.mkdtemp(prefix="mdp-chaos-"))
    os.environ[MARK] = mark = uuid4().hex  # set before any process is started, so that all of them inherit it
    _set_time_limit(options.seconds, mark)
    disk = small_disk(folder / "disk")
    try:
        with Sandbox(World(seed=options.seed), folder / "sandbox") as sandbox:
            # gRPC reads this once per process, and warm processes are forked from this one.
            os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = sandbox.env["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]
            print(f"seed {options.seed}, {options.seconds:g} s. A full disk is {disk.how}.", flush=True)
            # Python would warn at the end about the semaphores of killed processes, which it removes.
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
        disk.unmount()
        shutil.rmtree(folder, ignore_errors=True)


def _set_time_limit(seconds: float, mark: str) -> None:
    """End this program and all its processes if it takes too long."""

    def overdue(*_: object) -> NoReturn:
        kill_marked(mark)  # before the exit, which would wait for them
        sys.exit(f"FAILED: chaos did not end {_OVERDUE_SECONDS} s after its time")

    signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, seconds + _OVERDUE_SECONDS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description="Run MDP with many faults at once.")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="the seed of the plans")
    parser.add_argument("--seconds", type=float, default=300, help="how long it may take")
    parser.add_argument("--round", type=int, help="run only this round")
    parser.add_argument("--rounds", type=int, default=_NO_LIMIT, help="the maximum number of rounds")
    parser.add_argument("--now", type=instant, help="replaces the current time in rounds that start now")
    parser.add_argument("--short", action="store_true", help="one short round, as in the tests")
    options = parser.parse_args(arguments)
    if "--seed" not in arguments:
        arguments += ["--seed", str(options.seed)]  # for the restart in a namespace
    return options


def _rounds(session: Session, options: argparse.Namespace, began: float) -> int:
    deadline = began + options.seconds
    numbers = [0] if options.short else range(options.rounds) if options.round is None else [options.round]
    for number in numbers:
        # The first round always runs, because chaos must compare something.
        if number != numbers[0] and time.monotonic() + _MIN_ROUND_SECONDS > deadline:
            break
        plan = short_plan(options.seed) if options.short else plan_round(options.seed, number)
        print(plan, flush=True)
        round_state = run_round(session, plan, deadline)
        if round_state.problems:
            kill_marked(session.mark)  # before its files are copied
            _print_failure(round_state, options)
            return 1
        for path in (round_state.workspace.folder, round_state.workspace.logs):
            shutil.rmtree(path, ignore_errors=True)
    limited = options.short or options.round is not None or options.rounds < _NO_LIMIT
    whole = not limited and options.seconds >= _FULL_RUN_SECONDS
    return _print_result(session, time.monotonic() - began, whole)


def _print_failure(round_state: RoundState, options: argparse.Namespace) -> None:
    number, short = round_state.plan.number, " --short" if options.short else ""
    kept = round_state.workspace.keep(STATE_DIR / "chaos" / f"seed-{options.seed}-round-{number}")
    print(f"\nFAILED: seed {options.seed}, round {number}")
    for problem in round_state.problems:
        print(f"- {problem}")
    print(f"\nIts files: {kept}")
    now = f" --now {round_state.began.isoformat()}" if round_state.plan.base is None else ""
    which = short or f" --round {number}"
    print(f"To repeat this plan: python -m {MODULE} --seed {options.seed}{which}{now}")


def _print_result(session: Session, seconds: float, whole: bool) -> int:
    counts = session.counts
    print(f"\n{counts.table()}\n")
    required, missing = counts.required_and_missing(), counts.missing(EVERY_KIND)
    if whole and missing:
        print(f"did not occur in this time: {', '.join(missing)}\n")
    if whole and required:
        print(f"FAILED: these must occur within five minutes, but did not: {', '.join(required)}")
        return 1
    if not sum(counts.hit.values()):
        print("FAILED: no fault occurred, so nothing was tested")
        return 1
    work = ", ".join(f"{counts.work[name]} {name}" for name in ("rounds", "runs", "rows compared", "days compared"))
    print(f"SURVIVED: {sum(counts.hit.values())} faults, {work}, in {seconds:.0f} s.")
    print("No row is lost, duplicated or stale. No file contains a secret. No process is left.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
