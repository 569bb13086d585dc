"""The folders and buckets of test lakes, with direct access: to damage a file, or to see what exists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from mdp_dagster.lake import Lake
from tests.support.emulators.google_cloud import GoogleCloud
from tests.support.limits import HANG_SECONDS

if TYPE_CHECKING:
    from google.cloud import storage


class Place(ABC):
    lake: Lake

    @abstractmethod
    def put(self, path: str, content: bytes) -> None: ...

    @abstractmethod
    def content(self, path: str) -> bytes: ...

    @abstractmethod
    def names(self) -> list[str]:
        """All file names in the lake, sorted."""


class Folder(Place):
    def __init__(self, root: Path) -> None:
        self.root = root
        self.lake = Lake(str(root))

    def put(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def content(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


class Bucket(Place):
    PREFIX = "some/lake"

    def __init__(self, google_cloud: GoogleCloud) -> None:
        self.storage_client = google_cloud.storage_client
        self._bucket: storage.Bucket = self.storage_client().bucket(google_cloud.new_bucket())
        self.name = self._bucket.name
        self.uri = f"gs://{self.name}/{self.PREFIX}"
        self.lake = Lake(self.uri, self.storage_client)
        self.faults = Faults(google_cloud.storage_url)

    def put(self, path: str, content: bytes) -> None:
        self._bucket.blob(f"{self.PREFIX}/{path}").upload_from_string(content)

    def content(self, path: str) -> bytes:
        return self._bucket.blob(f"{self.PREFIX}/{path}").download_as_bytes()

    def names(self) -> list[str]:
        return sorted(blob.name.removeprefix(f"{self.PREFIX}/") for blob in self._bucket.list_blobs())


class Faults:
    """Injected faults in Cloud Storage, and the requests it received (tests/support/emulators/storage_launcher.py)."""

    def __init__(self, url: str) -> None:
        self._url = url

    def next(self, target: str, **fault: Any) -> None:
        """Set the next fault.

        Args:
            target: A pattern for ``path?query name``, without the method.
            fault: Any of ``status``, ``lose``, ``hold`` and ``times``.
        """
        requests.post(f"{self._url}/_faults", json={"target": target, **fault}, timeout=HANG_SECONDS).raise_for_status()

    def clear(self) -> None:
        requests.delete(f"{self._url}/_faults", timeout=HANG_SECONDS).raise_for_status()

    def requests(self) -> list[str]:
        """The requests since ``clear`` or the start."""
        found: list[str] = requests.get(f"{self._url}/_requests", timeout=HANG_SECONDS).json()
        return found
