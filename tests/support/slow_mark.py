"""Refuses a process that a test starts without the mark `slow`, so that `make test-quick` stays quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

_ALLOWED = {"git", "ldconfig", "uname"}
"""Programs that end within milliseconds: git, which tests of the repository read, and those that Python starts."""

_current: pytest.Item | None = None


class UnmarkedProcess(AssertionError):
    """A test without the mark `slow` started a process."""


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or _current is None or _current.get_closest_marker("slow"):
        return
    command = arguments[1]
    program = command if isinstance(command, str) else command[0]
    if Path(str(program)).name not in _ALLOWED:
        raise UnmarkedProcess(f"{_current.nodeid} starts {program} → mark it with pytest.mark.slow")


class SlowMark:
    """The plugin of pytest that remembers which test runs."""

    def __init__(self) -> None:
        sys.addaudithook(_refuse)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Remembers the test, from its fixtures' start to their end."""
        global _current
        _current = item
        try:
            return (yield)
        finally:
            _current = None
