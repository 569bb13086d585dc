"""A folder of the lake for files that are not Parquet: the answers of a source as it sent them."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.files import Files, NewFile


class LandingFolder:
    """A folder in which files are written once. A file appears complete or not at all.

    Args:
        files: The storage of the lake.
        folder: The folder, relative to the lake's root.
        remedy: Returns the remedy for an error of the storage, if it has one of its own.
    """

    def __init__(self, files: Files, folder: str, remedy: Callable[[Exception], str | None]) -> None:
        self._files = files
        self._remedy = remedy
        self.folder = folder

    def new_file(self, path: str) -> FolderFile:
        """Begins a file.

        Raises:
            LakeError: For example a missing permission.
        """
        try:
            return FolderFile(self, self._files.new_file(f"{self.folder}/{path}"))
        except OSError as error:
            raise self.not_written(error) from error

    def write(self, path: str, content: bytes) -> None:
        """Writes a whole file.

        Raises:
            LakeError: For example a full disk. No part of the file remains.
        """
        file = self.new_file(path)
        try:
            file.content.write(content)
            file.finish(path)
        except OSError as error:
            raise self.not_written(error) from error
        finally:
            file.discard()

    def open(self, path: str) -> IO[bytes]:
        """Opens a finished file.

        Raises:
            LakeError: The file is not there, or can't be read.
        """
        try:
            return self._files.stream(f"{self.folder}/{path}")
        except OSError as error:
            remedy = self._remedy(error) or "restore the file"
            raise LakeError(f"{self.address(path)} can't be read: {error} → {remedy}") from error

    def address(self, path: str = "") -> str:
        """The address of a file in the folder."""
        return f"{self._files.uri}/{self.folder}/{path}".rstrip("/")

    def not_written(self, error: Exception) -> LakeError:
        """The lake's error for a file that could not be written."""
        remedy = self._remedy(error) or "free space there, or point MDP_LAKE_URI elsewhere"
        return LakeError(f"{self.address()} can't be written: {error} → {remedy}; nothing was committed")


class FolderFile:
    """A file that is being written."""

    def __init__(self, place: LandingFolder, file: NewFile) -> None:
        self._place = place
        self._file = file
        self.content: IO[bytes] = file.content

    def finish(self, path: str) -> None:
        """Makes the complete file appear under its path in the folder.

        Raises:
            LakeError: For example a full disk. No part of the file remains.
        """
        try:
            self._file.finish(f"{self._place.folder}/{path}")
        except OSError as error:
            raise self._place.not_written(error) from error

    def discard(self) -> None:
        """Removes what was written. Does nothing after ``finish``."""
        self._file.discard()
