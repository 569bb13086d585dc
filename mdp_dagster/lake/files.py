"""The interface of the lake's storage. Paths are relative to the lake's root."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Protocol

import pyarrow as pa


class NewFile(Protocol):
    """A file that is being written. It does not appear in the lake before ``finish``."""

    content: IO[bytes]
    """The bytes so far."""

    def finish(self, path: str) -> None:
        """Make the complete file appear at a path. If this fails, no part of the file remains."""

    def discard(self) -> None:
        """Remove what was written. Does nothing after ``finish``."""


class Files(Protocol):
    """Files that are written once. A file appears complete or not at all.

    Every method raises ``OSError``. If the error has a ``remedy``, it replaces the lake's general advice.
    """

    uri: str
    """The address of the root, without a slash at the end."""

    def new_file(self, path: str) -> NewFile:
        """Begin a file. ``path`` is where it probably will appear."""

    def content(self, path: str) -> pa.NativeFile:
        """Open a whole file."""

    def stream(self, path: str) -> IO[bytes]:
        """Open a file that may be larger than the memory."""

    def footer(self, path: str) -> pa.NativeFile:
        """Open the end of a file. It is long enough for Parquet's metadata."""

    def paths(self, prefix: str) -> Iterable[str]:
        """List the finished files below a folder, in any order. A missing folder has no files."""
