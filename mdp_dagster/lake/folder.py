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


class _UnfinishedFile:
    """A temporary file in the lake's folder. A killed process leaves it there; nothing reads it."""

    def __init__(self, on_disk: Callable[[str], Path], path: str) -> None:
        self._on_disk = on_disk
        target = on_disk(path)
        self._path = target.with_name(target.name + _UNFINISHED)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.content: IO[bytes] = self._path.open("wb")

    def finish(self, path: str) -> None:
        """Sync the file to disk (power can fail), then rename it."""
        try:
            self.content.flush()
            os.fsync(self.content.fileno())
            self.content.close()
            target = self._on_disk(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.rename(target)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Close and delete the temporary file. An error is ignored: the first one is reported."""
        with suppress(OSError):
            self.content.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


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

    def new_file(self, path: str) -> _UnfinishedFile:
        """Begin a temporary file next to the path."""
        return _UnfinishedFile(self._path, path)

    def content(self, path: str) -> pa.NativeFile:
        """Open a whole file."""
        return pa.OSFile(str(self._path(path)))

    def stream(self, path: str) -> IO[bytes]:
        """Open a file."""
        return self._path(path).open("rb")

    def footer(self, path: str) -> pa.NativeFile:
        """Open the whole file: on a disk, that costs no more than opening its end."""
        return self.content(path)

    def paths(self, prefix: str) -> Iterator[str]:
        """List the finished files below a folder, relative to the root."""
        selector = pafs.FileSelector(f"{self._root}/{prefix}".rstrip("/"), recursive=True, allow_not_found=True)
        for info in self._fs.get_file_info(selector):
            if info.type == pafs.FileType.File and not info.path.endswith(_UNFINISHED):
                yield info.path[len(self._root) + 1 :]

    def _path(self, path: str) -> Path:
        return Path(self._root, path)
