"""A process, measured from its start to its end."""

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


@dataclass(frozen=True)
class Ended:
    """``cpu_seconds``: of the process itself, without what it waits for. ``told``: the JSON of its last line of output,
    for processes that measure something inside themselves."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    told: Any


def measured(command: Sequence[str], env: Mapping[str, str], log: Path) -> Ended:
    """Run it. Raises ``RuntimeError`` if it fails: a figure of something that didn't work is none."""
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=dict(env), stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} failed → see {log}")
    lines = log.read_text(errors="replace").splitlines()
    told = json.loads(lines[-1]) if lines and lines[-1].startswith(("{", "[")) else None
    return Ended(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, told)


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
