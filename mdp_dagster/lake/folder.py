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
    """``/a/folder``, ``a/folder`` or ``file:///a/folder``."""

    def __init__(self, uri: str) -> None:
        """Raises ``OSError`` or Arrow's for a ``file://`` that names no folder of this machine."""
        self._fs = pafs.LocalFileSystem()
        if uri.startswith("file://"):
            self.uri = uri.rstrip("/")
            # Spaces and umlauts as people write them; what is escaped already stays.
            _, self._root = pafs.FileSystem.from_uri(quote(self.uri, safe=":/%?&=@"))
            if not self._root:
                raise pa.ArrowInvalid("it names no folder")
        else:
            self.uri = self._root = os.path.abspath(uri)  # an address must mean the same from every folder

    def create(self, path: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Written beside its name, and renamed when it is on the disk: power can fail too."""
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
            # It may never have been created; the first error is the one to tell.
            with suppress(OSError):
                unfinished.unlink()
            raise

    def content(self, path: str) -> pa.NativeFile:
        return pa.OSFile(str(self._path(path)))

    def footer(self, path: str) -> pa.NativeFile:
        return self.content(path)

    def move(self, path: str, new_path: str) -> None:
        source, target = self._path(path), self._path(new_path)
        if target.is_file() and not source.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    def paths(self, prefix: str) -> Iterator[str]:
        selector = pafs.FileSelector(f"{self._root}/{prefix}".rstrip("/"), recursive=True, allow_not_found=True)
        for info in self._fs.get_file_info(selector):
            if info.type == pafs.FileType.File and not info.path.endswith(_UNFINISHED):
                yield info.path[len(self._root) + 1 :]

    def _path(self, path: str) -> Path:
        return Path(self._root, path)
