"""Real MDP processes that can be killed: commands, and warm processes, forked from a server with loaded imports."""

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

from chaos.child_process import PRELOADED, ProcessSettings
from chaos.round_workspace import MARK, RoundWorkspace

_LOOK_SECONDS = 0.2  # between searches for the process that a command starts

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(PRELOADED)


@dataclass
class Running:
    """A process of MDP.

    Args:
        name: The name of its log.
        log: The file with its output.
        process: The process.
        jumps: The pipe for clock jumps of a warm process.
        run_id: Dagster's run id. It is not known for a command.
        killed: Whether the process that ran the job got SIGKILL.
        orphan: The process that runs the job, after the command that started it was killed.
    """

    name: str
    log: Path
    process: Any
    jumps: Connection | None = None
    run_id: str = ""
    killed: bool = False
    orphan: int | None = None
    _worker: int | None = None
    _last_look: float = 0.0

    @property
    def pid(self) -> int:
        """The process id."""
        return int(self.process.pid)

    @property
    def code(self) -> int | None:
        """The exit code, or None while it runs."""
        code: int | None
        code = self.process.poll() if isinstance(self.process, subprocess.Popen) else self.process.exitcode
        return code

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self.code is None

    def worker(self) -> int:
        """The process that runs the job. A command starts a separate one."""
        if self._worker is None and self.jumps is None and time.monotonic() > self._last_look + _LOOK_SECONDS:
            self._last_look = time.monotonic()
            self._worker = next((pid for pid in children_of(self.pid) if b"job_run" in command_of(pid)), None)
        return self.pid if self._worker is None else self._worker

    def stop(self) -> bool:
        """Pause the process and its worker. Returns whether the worker is paused, so that it had not ended before."""
        for pid in {self.pid, self.worker()}:
            _signal(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 1
        while (state := _state(self.worker())) not in "TZX" and time.monotonic() < deadline:
            time.sleep(0.0002)
        return state == "T"

    def resume(self) -> None:
        """Resume the process and its worker."""
        for pid in {self.pid, self.worker()}:
            _signal(pid, signal.SIGCONT)

    def kill(self, terminal_only: bool = False) -> None:
        """Kill the worker and the process that started it. ``terminal_only`` kills only the latter.

        Their other children must end on their own.
        """
        worker = self.worker()
        if terminal_only and worker != self.pid:
            self.orphan = worker
        else:
            self.killed = _state(worker) not in "ZX"
            _signal(worker, signal.SIGKILL)
        _signal(self.pid, signal.SIGKILL)
        self.wait(10)
        if self.orphan is not None:
            _signal(self.orphan, signal.SIGCONT)

    def dump_stacks(self) -> None:
        """Print the stacks of a warm process's threads to its log."""
        if self.jumps is not None and self.alive:
            os.kill(self.pid, signal.SIGUSR1)
            time.sleep(1)

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if the process does not end in time."""
        with suppress(subprocess.TimeoutExpired):
            waiting = self.process.wait if isinstance(self.process, subprocess.Popen) else self.process.join
            waiting(seconds)
        return self.code

    def output(self) -> str:
        """The text that the process printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def start_warm(
    target: Callable[..., None], workspace: RoundWorkspace, name: str, *arguments: Any, **setting: Any
) -> Running:
    """Start a warm process.

    Args:
        target: The function to run.
        workspace: The folders and the environment.
        name: The name of its log.
        arguments: The arguments of the function after its settings and its pipe.
        setting: Special values for ``ProcessSettings``.
    """
    ours, theirs = _server.Pipe()
    log = workspace.logs / f"{name}.log"
    surroundings = ProcessSettings(workspace.environment, workspace.folder, log, **setting)
    process = _server.Process(target=target, args=(surroundings, theirs, *arguments))
    process.start()
    theirs.close()
    return Running(name, log, process, ours)


def start_holder(target: Callable[..., None], *arguments: Any) -> tuple[Any, Connection]:
    """Start a process that is not part of MDP."""
    ours, theirs = _server.Pipe()
    process = _server.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, ours


def start_command(workspace: RoundWorkspace, name: str, *arguments: str) -> Running:
    """Start ``python -m ...``, as a user would."""
    log = workspace.logs / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=workspace.folder,
            env=workspace.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Running(name, log, process)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def command_of(pid: int) -> bytes:
    """The command line of a process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _stat(pid: int) -> list[str]:
    """The kernel's fields of a process from its state on. The name before it can contain any character."""
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


def marked_processes(mark: str, known: Sequence[int]) -> dict[int, str]:
    """The living processes of this chaos run, found by their environment: command lines by process id."""
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
    """Kill all processes of this chaos run except this one."""
    for pid in marked_processes(mark, [os.getpid()]):
        _signal(pid, signal.SIGKILL)


def leftover_processes(mark: str, known: Sequence[int], patience: float = 120) -> dict[int, str]:
    """The processes that are still there after ``patience`` seconds, because some end slightly later than expected."""
    deadline = time.monotonic() + patience
    while found := marked_processes(mark, known):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return found
