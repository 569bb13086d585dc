"""What the lake asks of the place where its files lie. Paths are relative to the lake's root."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO, Protocol

import pyarrow as pa


class Files(Protocol):
    """Files that are written once and appear whole or not at all.

    Every method raises ``OSError``; one with a ``remedy`` knows better than the lake what to do about it.
    """

    uri: str
    """The root as addresses have it, without a slash at the end."""

    def create(self, path: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Make a file of what ``fill`` writes. If that fails, nothing of it stays."""

    def content(self, path: str) -> pa.NativeFile:
        """A whole file, as it was written."""

    def footer(self, path: str) -> pa.NativeFile:
        """Enough of a file's end for Parquet's metadata."""

    def move(self, path: str, new_path: str) -> None:
        """Give a file another place; nothing happens if that has been done already."""

    def paths(self, prefix: str) -> Iterable[str]:
        """The finished files below a folder, in any order; none if there is no such folder."""
