"""Real processes of MDP: warm ones, forked from a server that has its imports behind it, and commands. All can be
killed, and what they leave behind is found."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.chaos.child import PRELOADED, Setting
from tests.chaos.place import MARK, Place

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(PRELOADED)


@dataclass
class Running:
    """A process of MDP. ``target``: whom a kill hits, where that isn't the process itself."""

    name: str
    log: Path
    process: Any
    jumps: Connection | None = None
    run_id: str = ""
    killed: bool = False
    left_alone: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def code(self) -> int | None:
        code: int | None
        code = self.process.poll() if isinstance(self.process, subprocess.Popen) else self.process.exitcode
        return code

    @property
    def alive(self) -> bool:
        return self.code is None

    def worker(self) -> int:
        """The process that runs the job: of a command that starts one for it, that one."""
        return next((pid for pid in children_of(self.pid) if b"job_run" in _command(pid)), self.pid)

    def kill(self, terminal_only: bool = False) -> bool:
        """SIGKILL, to who runs the job and to whoever started that; ``terminal_only``: to the latter alone. Whether it
        was alive. What else they had started has to end by itself."""
        worker = self.worker()
        if not self.alive:
            return False
        if terminal_only and worker != self.pid:
            self.left_alone.append(worker)
        else:
            _kill(worker)
        _kill(self.pid)
        self.wait(10)
        self.killed = self.code == -signal.SIGKILL
        return self.killed

    def say_where_it_stands(self) -> None:
        """Have a warm process print the stacks of its threads."""
        if self.jumps is not None and self.alive:
            os.kill(self.pid, signal.SIGUSR1)
            time.sleep(1)

    def wait(self, seconds: float) -> int | None:
        """Its exit code, or None if it doesn't end in time."""
        with suppress(subprocess.TimeoutExpired):
            waiting = self.process.wait if isinstance(self.process, subprocess.Popen) else self.process.join
            waiting(seconds)
        return self.code

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def start_warm(target: Callable[..., None], place: Place, name: str, *arguments: Any, **setting: Any) -> Running:
    """``arguments``: what the function takes after its setting and its pipe; ``setting``: what is special about it."""
    ours, theirs = _server.Pipe()
    log = place.logs / f"{name}.log"
    surroundings = Setting(place.environment, place.folder, log, **setting)
    process = _server.Process(target=target, args=(surroundings, theirs, *arguments))
    process.start()
    theirs.close()
    return Running(name, log, process, ours)


def start_holder(target: Callable[..., None], *arguments: Any) -> tuple[Any, Connection]:
    """A process that isn't MDP's."""
    ours, theirs = _server.Pipe()
    process = _server.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, ours


def start_command(place: Place, name: str, *arguments: str) -> Running:
    """``python -m ...``, as people type it."""
    log = place.logs / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=place.folder,
            env=place.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Running(name, log, process)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def children_of(pid: int) -> list[int]:
    """The living children of a process."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in tasks.read_text().split()]
    return found


def marked(mark: str, known: Sequence[int]) -> dict[int, str]:
    """The living processes of this chaos, by their environment: command lines by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in known:
            continue
        with suppress(OSError):
            environment = (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if f"{MARK}={mark}".encode() in environment and state not in "ZX":
                found[int(entry.name)] = _command(int(entry.name)).replace(b"\0", b" ").decode(errors="replace")[:200]
    return found


def left_behind(mark: str, known: Sequence[int], patience: float = 10) -> dict[int, str]:
    """What is still there after a while: processes end a moment after those who wait for them."""
    deadline = time.monotonic() + patience
    while found := marked(mark, known):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return found
