"""The lake's Parquet. What is written and read, wherever it lies.

A file appears whole or not at all. It carries everything that the warehouse knows of its extract (its metadata, see
`ingest/landing.py`), so that raw can be rebuilt from the lake alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.files import Files
from mdp_dagster.lake.folder import FolderFiles

if TYPE_CHECKING:
    from google.cloud import storage

_METADATA_KEY = b"mdp"


class Lake:
    """Files under one root: ``/a/folder``, ``file:///a/folder`` or ``gs://bucket/prefix``."""

    def __init__(self, uri: str, storage_client: Callable[[], storage.Client] | None = None) -> None:
        """``storage_client`` is called once, when a bucket is first asked for something; without one, Google's
        application default credentials are used. Raises ``LakeError`` for an address that can't be a lake."""
        try:
            self._files = _files(uri, storage_client)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise LakeError(
                f"{uri} can't be a lake: {error} → set MDP_LAKE_URI to a folder, file:///a/folder or gs://bucket/prefix"
            ) from error
        self.uri = self._files.uri

    def write(self, path: str, table: pa.Table, metadata: dict[str, Any]) -> str:
        """Write one file and give its address. ``path`` is relative to the root and must be new: a bucket refuses one
        under which something else lies already.

        Raises ``LakeError`` (a full disk, missing rights); what was half written is removed.
        """
        table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(metadata).encode()})

        def fill(file: Any) -> None:
            # With checksums: a bit that a disk turns over would otherwise change numbers in silence.
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)

        try:
            self._files.create(path, fill)
        except (OSError, pa.ArrowException) as error:
            raise LakeError(
                f"{self.uri}/{path} can't be written: {error} → "
                f"{_remedy(error) or 'free space there, or point MDP_LAKE_URI elsewhere'}; "
                "nothing of this extract was committed, the next run pulls it again"
            ) from error
        return f"{self.uri}/{path}"

    def move(self, path: str, new_path: str) -> None:
        """Give a file another place; may be repeated after a death in the middle of it. Raises ``LakeError``."""
        try:
            self._files.move(path, new_path)
        except OSError as error:
            raise LakeError(
                f"{self.uri}/{path} can't be moved to {new_path}: {error} → {_remedy(error) or 'move it by hand'}"
            ) from error

    def files(self, prefix: str = "") -> Iterator[str]:
        """The finished files below ``prefix``, as paths relative to the root, in order. Raises ``LakeError``."""
        try:
            found = sorted(self._files.paths(prefix))
        except OSError as error:
            remedy = _remedy(error) or "set MDP_LAKE_URI to the lake's folder"
            raise LakeError(f"{self.uri} can't be listed: {error} → {remedy}") from error
        return (path for path in found if path.endswith(".parquet"))

    def metadata(self, path: str) -> dict[str, Any]:
        """What was written beside the rows of a file. Raises ``LakeError`` for a file that MDP didn't write whole."""
        try:
            metadata: dict[str, Any] = json.loads((self._schema(path).metadata or {})[_METADATA_KEY])
            return metadata
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            if remedy := _remedy(error):
                raise LakeError(f"{self.uri}/{path} can't be read: {error} → {remedy}") from error
            raise LakeError(
                f"{self.uri}/{path} is no extract of MDP, or is damaged: {error!r} → move it out of the lake, "
                "then pull its days again"
            ) from error

    def schema(self, path: str) -> pa.Schema:
        """Names and types of a file's columns, by its path or its address; of an object, without its rows. Raises
        ``LakeError``."""
        path = self._relative(path)
        try:
            return self._schema(path).remove_metadata()
        except (OSError, pa.ArrowException, ValueError) as error:
            raise self._unreadable(f"{self.uri}/{path}", error) from error

    def read(self, address: str) -> pa.Table:
        """The rows of a file, by the address that ``write`` gave. Raises ``LakeError``."""
        try:
            with self._files.content(self._relative(address)) as file:
                return pq.read_table(file, page_checksum_verification=True)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise self._unreadable(address, error) from error

    def _schema(self, path: str) -> pa.Schema:
        with self._files.footer(path) as file:
            return pq.read_schema(file)

    def _relative(self, address: str) -> str:
        return address.removeprefix(f"{self.uri}/")

    @staticmethod
    def _unreadable(address: str, error: Exception) -> LakeError:
        return LakeError(f"{address} can't be read: {error} → {_remedy(error) or 'pull its days again'}")


def _files(uri: str, storage_client: Callable[[], storage.Client] | None) -> Files:
    """Raises ``OSError``, ``ValueError`` or Arrow's for an address that can't be a lake."""
    if uri.startswith("gs://"):
        from mdp_dagster.lake.bucket import BucketFiles  # Google's libraries take a second to load

        return BucketFiles(uri, storage_client)
    if "://" in uri and not uri.startswith("file://") or uri.startswith("gs:"):
        raise ValueError("it is of no kind that MDP knows")
    return FolderFiles(uri)


def _remedy(error: Exception) -> str | None:
    remedy: str | None = getattr(error, "remedy", None)
    return remedy
