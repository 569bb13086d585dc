"""The place where a source lands its answers, as its connector sees it."""

from __future__ import annotations

from typing import IO, Protocol


class LandingFile(Protocol):
    """A file in the lake that is being written. It does not appear before ``finish``."""

    content: IO[bytes]

    def finish(self, path: str) -> None:
        """Makes the complete file appear under its path."""

    def discard(self) -> None:
        """Removes what was written. Does nothing after ``finish``."""


class Landing(Protocol):
    """The place in the lake for the answers of one sync and report."""

    def new_file(self, path: str) -> LandingFile:
        """Begins a file. The path is relative to this place."""

    def open(self, path: str) -> IO[bytes]:
        """Opens a finished file. The path is the one that ``finish`` got."""
