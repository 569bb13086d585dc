"""Runs a module as long as its parent lives: ``python -m tests.support.emulators.lifeline MODULE ARGUMENTS…``.

Standard input is the lifeline. It closes when the process at its other end dies, for any reason.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def _end_with_standard_input() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
