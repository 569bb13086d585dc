"""The interface of the lake's storage. Paths are relative to the lake's root."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO, Protocol

import pyarrow as pa


class Files(Protocol):
    """Files that are written once. A file appears complete or not at all.

    Every method raises ``OSError``. If the error has a ``remedy``, it replaces the lake's general advice.
    """

    uri: str
    """The address of the root, without a slash at the end."""

    def create(self, path: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Create a file with the bytes that ``fill`` writes. If this fails, no part of the file remains."""

    def content(self, path: str) -> pa.NativeFile:
        """Open a whole file."""

    def footer(self, path: str) -> pa.NativeFile:
        """Open the end of a file. It is long enough for Parquet's metadata."""

    def move(self, path: str, new_path: str) -> None:
        """Move a file. Does nothing if the file has been moved already."""

    def paths(self, prefix: str) -> Iterable[str]:
        """List the finished files below a folder, in any order. A missing folder has no files."""
