"""The emulators as processes: started on demand, and ended with the tests, even after a crash."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.limits import HANG_SECONDS

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-emulators" / "bin" / "python"


class EmulatorError(Exception):
    """An emulator does not run. The message shows the end of its log."""


class Emulator:
    """One process. The emulators' own Python runs ``module``."""

    def __init__(self, module: str, arguments: list[str], log: Path) -> None:
        if not PYTHON.is_file():
            raise EmulatorError(f"there is no {PYTHON.relative_to(ROOT)} → run `make emulators`")
        self._module = module
        self._log = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                [str(PYTHON), "-m", "tests.support.emulators.lifeline", module, *arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait for a condition. Raises ``EmulatorError`` if the process ends or takes too long."""
        deadline = time.monotonic() + HANG_SECONDS
        while not ready():
            if self._process.poll() is not None:
                raise EmulatorError(f"{self._module} ended with {self._process.returncode}:\n{self._end_of_log()}")
            if time.monotonic() > deadline:
                self.end()
                raise EmulatorError(f"{self._module} wasn't ready after {HANG_SECONDS:.0f} s:\n{self._end_of_log()}")
            time.sleep(0.02)

    def end(self) -> None:
        """Kill the process. It has nothing to save."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _end_of_log(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
