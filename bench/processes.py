"""Runs a process, and measures it from its start to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class MeasurementFailed(Exception):
    """A measured process failed."""


@dataclass(frozen=True)
class FinishedProcess:
    """The measurements of a process.

    Args:
        seconds: Its duration.
        cpu_seconds: The CPU time of the process itself.
        peak_mib: Its peak memory.
        output: The JSON in its last line of output, or None.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: Any


def measured(command: Sequence[str], env: Mapping[str, str], log: Path) -> FinishedProcess:
    """Runs a process, and measures it.

    Raises:
        MeasurementFailed: The process failed: then its numbers mean nothing. The message has the end of its output.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=dict(env), stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise MeasurementFailed(f"{' '.join(command)[:200]} failed:\n{log.read_text(errors='replace')[-3000:]}")
    lines = log.read_text(errors="replace").splitlines()
    output = json.loads(lines[-1]) if lines and lines[-1].startswith(("{", "[")) else None
    return FinishedProcess(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def python(module: str, *arguments: str) -> list[str]:
    """The command for a module."""
    return [sys.executable, "-m", module, *arguments]
