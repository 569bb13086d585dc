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
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chaos.child_process import PRELOADED, Setting
from chaos.place import MARK, Place

_LOOK_SECONDS = 0.2  # between looks for the process that a command starts

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(PRELOADED)


@dataclass
class Running:
    """A process of MDP. ``killed``: whoever ran the job was there, and got SIGKILL. ``left_alone``: the process that
    runs the job, of a command that was killed without it. ``run_id``: Dagster's; of commands, nobody knows it."""

    name: str
    log: Path
    process: Any
    jumps: Connection | None = None
    run_id: str = ""
    killed: bool = False
    left_alone: int | None = None
    _worker: int | None = None
    _looked: float = 0.0

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
        if self._worker is None and self.jumps is None and time.monotonic() > self._looked + _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._worker = next((pid for pid in children_of(self.pid) if b"job_run" in command_of(pid)), None)
        return self.pid if self._worker is None else self._worker

    def stop(self) -> bool:
        """Have it stand still, with whoever runs its job. Whether the latter does, and so hadn't ended before."""
        for pid in {self.pid, self.worker()}:
            _signal(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 1
        while (state := _state(self.worker())) not in "TZX" and time.monotonic() < deadline:
            time.sleep(0.0002)
        return state == "T"

    def go_on(self) -> None:
        for pid in {self.pid, self.worker()}:
            _signal(pid, signal.SIGCONT)

    def kill(self, terminal_only: bool = False) -> None:
        """SIGKILL, to who runs the job and to whoever started that; ``terminal_only``: to the latter alone. What else
        they had started has to end by itself."""
        worker = self.worker()
        if terminal_only and worker != self.pid:
            self.left_alone = worker
        else:
            self.killed = _state(worker) not in "ZX"
            _signal(worker, signal.SIGKILL)
        _signal(self.pid, signal.SIGKILL)
        self.wait(10)
        if self.left_alone is not None:
            _signal(self.left_alone, signal.SIGCONT)

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


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def command_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on: the name before that may hold anything."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return ["X", "0"]


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _all_processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children_of(pid: int) -> list[int]:
    """The children of a process."""
    return [child for child in _all_processes() if _stat(child)[1] == str(pid)]


def marked(mark: str, known: Sequence[int]) -> dict[int, str]:
    """The living processes of this chaos, by their environment: command lines by process id."""
    found = {}
    for pid in _all_processes():
        if pid in known:
            continue
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"{MARK}={mark}".encode() in environment and _state(pid) not in "ZX":
                found[pid] = command_of(pid).replace(b"\0", b" ").decode(errors="replace")
    return found


def kill_marked(mark: str) -> None:
    """Whatever of this chaos still lives, but for this process."""
    for pid in marked(mark, [os.getpid()]):
        _signal(pid, signal.SIGKILL)


def left_behind(mark: str, known: Sequence[int], patience: float = 10) -> dict[int, str]:
    """What is still there after a while: processes end a moment after those who wait for them."""
    deadline = time.monotonic() + patience
    while found := marked(mark, known):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return found
