"""The lake's files in a local folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs as pafs

_UNFINISHED = ".unfinished"


class FolderFiles:
    """Files under ``/a/folder``, ``a/folder`` or ``file:///a/folder``."""

    def __init__(self, uri: str) -> None:
        """Makes no folder yet.

        Raises:
            OSError: a ``file://`` address does not name a folder of this machine.
            pa.ArrowException: the same, from Arrow.
        """
        self._fs = pafs.LocalFileSystem()
        if uri.startswith("file://"):
            self.uri = uri.rstrip("/")
            # People write spaces and umlauts unescaped. Escapes that exist already are kept.
            _, self._root = pafs.FileSystem.from_uri(quote(self.uri, safe=":/%?&=@"))
            if not self._root:
                raise pa.ArrowInvalid("it does not name a folder")
        else:
            self.uri = self._root = os.path.abspath(uri)  # independent of the working directory

    def create(self, path: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Write a temporary file in the same folder, sync it to disk (power can fail), then rename it."""
        target = self._path(path)
        unfinished = target.with_name(target.name + _UNFINISHED)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(target)
        except BaseException:
            # The file may not exist. Report the first error.
            with suppress(OSError):
                unfinished.unlink()
            raise

    def content(self, path: str) -> pa.NativeFile:
        """Open a whole file."""
        return pa.OSFile(str(self._path(path)))

    def footer(self, path: str) -> pa.NativeFile:
        """Open the whole file: on a disk, that costs no more than opening its end."""
        return self.content(path)

    def move(self, path: str, new_path: str) -> None:
        """Rename a file. Does nothing if that has been done already."""
        source, target = self._path(path), self._path(new_path)
        if target.is_file() and not source.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    def paths(self, prefix: str) -> Iterator[str]:
        """List the finished files below a folder, relative to the root."""
        selector = pafs.FileSelector(f"{self._root}/{prefix}".rstrip("/"), recursive=True, allow_not_found=True)
        for info in self._fs.get_file_info(selector):
            if info.type == pafs.FileType.File and not info.path.endswith(_UNFINISHED):
                yield info.path[len(self._root) + 1 :]

    def _path(self, path: str) -> Path:
        return Path(self._root, path)
