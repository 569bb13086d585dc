"""The place where files are published: a local folder or a bucket, with one publisher at a time.

A version names the content of a file at the place: a bucket's generation, or a hash in a folder. None means that the
file does not exist.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.files import Files
from mdp_dagster.lake.folder import FolderFiles
from mdp_dagster.warehouse.lock import FileLock, LockTimeout

if TYPE_CHECKING:
    from google.cloud import storage

LOCK = ".lock"


class Place(Files, Protocol):
    """Files that are written once, and fixed names that are replaced. Methods raise ``OSError``."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Keeps other publishers out inside the ``with`` block. Raises ``DeliveryError``."""

    def check(self) -> None:
        """Raises ``DeliveryError`` inside ``exclusive`` if another publisher may be at work by now."""

    def version(self, path: str) -> str | None:
        """The version of a file; None if it does not exist."""

    def replace(self, source: str, target: str, expected: str | None) -> str:
        """Makes the file at ``source`` appear at ``target`` too, in one step, and returns the new version.

        Raises:
            Replaced: The file at ``target`` does not have the expected version.
        """

    def folders(self, path: str) -> Iterable[str]:
        """The names of the folders in a folder."""

    def remove_folder(self, path: str) -> None:
        """Deletes a folder with all of its files, also unfinished ones."""


class Replaced(Exception):
    """Another process replaced the file."""


def place_of(
    uri: str, setting: str, storage_client: Callable[[], storage.Client] | None, timeout_seconds: float
) -> Place:
    """Returns the place at an address. Makes no request.

    Args:
        uri: ``/a/folder``, ``file:///a/folder`` or ``gs://bucket/prefix``.
        setting: The variable that holds the address, for messages.
        storage_client: Makes the client for a bucket.
        timeout_seconds: How long to wait for another publisher.

    Raises:
        DeliveryError: The address can't be used.
    """
    try:
        if uri.startswith("gs://"):
            # Imported lazily: Google's libraries take about a second.
            from mdp_dagster.delivery.bucket_place import BucketPlace

            return BucketPlace(uri, setting, storage_client, timeout_seconds)
        if ("://" in uri and not uri.startswith("file://")) or uri.startswith("gs:") or "\0" in uri:
            raise ValueError("MDP does not support this kind of address")
        return FolderPlace(uri, setting, timeout_seconds)
    except (OSError, ValueError, pa.ArrowException, LakeError) as error:
        raise DeliveryError(
            f"{setting}={uri} can't be used: {error} → set it to a folder, file:///a/folder or gs://bucket/prefix"
        ) from error


class FolderPlace(FolderFiles):
    """A local folder. A file is replaced by a rename."""

    def __init__(self, uri: str, setting: str, timeout_seconds: float) -> None:
        super().__init__(uri)
        self._setting = setting
        self._lock = FileLock(self._path(LOCK), timeout_seconds)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds a file lock."""
        try:
            self._path("").mkdir(parents=True, exist_ok=True)
            with self._lock.held():
                yield
        except LockTimeout as error:
            raise DeliveryError(f"{self.uri} is in use: {error} → end that process, then run again") from error

    def check(self) -> None:
        """Does nothing: the kernel keeps the lock until this process releases it."""

    def version(self, path: str) -> str | None:
        """The hash of the file's content."""
        try:
            with self._path(path).open("rb") as file:
                digest = hashlib.sha256()
                while part := file.read(1 << 20):
                    digest.update(part)
                return digest.hexdigest()
        except FileNotFoundError:
            return None

    def replace(self, source: str, target: str, expected: str | None) -> str:
        """Renames a second name of the file. Without hard links, the file is copied first."""
        second = self._path(f"{source}.next")
        second.unlink(missing_ok=True)
        try:
            os.link(self._path(source), second)
        except OSError:
            shutil.copyfile(self._path(source), second)
        goal = self._path(target)
        goal.parent.mkdir(parents=True, exist_ok=True)
        os.replace(second, goal)
        _sync_folder(goal.parent)
        found = self.version(target)
        assert found is not None  # the lock keeps other publishers out
        return found

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder."""
        return [entry.name for entry in self._path(path).iterdir() if entry.is_dir()]

    def remove_folder(self, path: str) -> None:
        """Deletes a folder with all of its files. A killed process leaves unfinished ones."""
        shutil.rmtree(self._path(path))


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
