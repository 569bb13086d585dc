"""Folders that one pytest worker builds and all workers of the session read."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder that ``build`` has filled once in this session. Tests must not change it: they take a copy.

    Args:
        factory: pytest's factory of temporary folders. All workers of a session share the parent of their folders.
        name: The folder's name, unique in the session.
        build: Fills the empty folder that it is given. Another worker waits until it has finished.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, finished = shared / f"shared-{name}", shared / f"shared-{name}.finished"
    with (shared / f"shared-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a build that failed
            folder.mkdir()
            build(folder)
            finished.touch()
    return folder
