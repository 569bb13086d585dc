"""Sets the clock of a Python process that the tests start, as the process starts.

Python imports a module of this name when it starts, if the module's folder is on PYTHONPATH. ``tests/support/clock.py``
puts it there, and imports it for the tests' own process.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

SHIFT_VARIABLE = "TEST_CLOCK_SHIFT_SECONDS"
"""How many seconds the clock of the tests is ahead of the machine's. Processes inherit it with their environment."""


_GRPC_MODULES = ("grpc._cython.cygrpc", "grpc._channel", "grpc._common", "grpc._server")


def shift_clock(seconds: float) -> None:
    """Sets this process's time of day ahead by some seconds, once. It goes on from there, as a clock does.

    The monotonic clock is not changed, as on a machine that gets a new time of day. Does nothing where time-machine is
    not installed: the environment of the emulators.
    """
    without_pytest = "pytest" not in sys.modules
    if without_pytest:
        sys.modules["pytest"] = None  # type: ignore[assignment]  # time-machine would import it: 0.08 s of each process
    try:
        import time_machine
    except ImportError:
        return
    finally:
        if without_pytest:
            del sys.modules["pytest"]
    if time_machine.traveller_stack:
        return
    time_machine.travel(time.time() + seconds, tick=True).start()
    for name in _GRPC_MODULES:
        if name in sys.modules:
            _use_machine_clock(sys.modules[name])
    sys.meta_path.insert(0, _GrpcFinder())


def _use_machine_clock(module: ModuleType) -> None:
    """The core of gRPC is below Python and has the machine's clock, so a deadline must be a time of that clock.

    A server would wait for a deadline at its start until the tests' day.
    """
    from time_machine import escape_hatch

    machine_time = ModuleType("time")
    machine_time.__dict__.update(vars(time), time=escape_hatch.time.time)
    module.time = machine_time  # type: ignore[attr-defined]


class _GrpcFinder:
    """Corrects gRPC when a process imports it. Most processes don't, so it is not imported here."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _GRPC_MODULES:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        run_module = spec.loader.exec_module

        def run_and_correct(module: ModuleType) -> None:
            run_module(module)
            _use_machine_clock(module)

        spec.loader.exec_module = run_and_correct  # type: ignore[method-assign]
        return spec


if SHIFT_VARIABLE in os.environ:
    shift_clock(float(os.environ[SHIFT_VARIABLE]))
