"""The lake's Parquet files, in a folder or in a bucket.

A file appears complete or not at all. Its metadata holds everything that the warehouse stores about the extract
(`ingest/landing.py`), so that raw can be rebuilt from the lake alone.
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
from mdp_dagster.lake.landing import LandingFolder
from mdp_dagster.lake.writer import METADATA_KEY, LakeWriter

if TYPE_CHECKING:
    from google.cloud import storage


class Lake:
    """Files under one root: ``/a/folder``, ``file:///a/folder`` or ``gs://bucket/prefix``."""

    def __init__(self, uri: str, storage_client: Callable[[], storage.Client] | None = None) -> None:
        """Makes no request.

        Args:
            uri: The lake's root.
            storage_client: Makes the client for a bucket. It is called once, before the first request. The default
                uses Google's application default credentials.

        Raises:
            LakeError: the address can't be a lake.
        """
        try:
            self._files = _files(uri, storage_client)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise LakeError(
                f"{uri} can't be a lake: {error} → set MDP_LAKE_URI to a folder, file:///a/folder or gs://bucket/prefix"
            ) from error
        self.uri = self._files.uri

    def write(self, path: str, table: pa.Table, metadata: dict[str, Any]) -> str:
        """Write one file and return its address.

        Args:
            path: Relative to the root. It must be new: a bucket refuses to replace another file.
            table: The rows.
            metadata: Is stored in the file next to the rows.

        Raises:
            LakeError: for example a full disk or a missing permission. No part of the file remains.
        """
        writer = self.writer(path, table.schema)
        writer.add(table)
        writer.finish(path, metadata)
        return self.address(path)

    def writer(self, path: str, schema: pa.Schema) -> LakeWriter:
        """Begin a file that is written a part at a time.

        Args:
            path: Where it will appear, unless ``finish`` gets another path. Relative to the root.
            schema: The columns of all parts.

        Raises:
            LakeError: for example a missing permission.
        """

        def failed(error: Exception) -> LakeError:
            return LakeError(
                f"{self.address(path)} can't be written: {error} → "
                f"{_remedy(error) or 'free space there, or point MDP_LAKE_URI elsewhere'}; "
                "this extract was not committed; the next run extracts it again"
            )

        try:
            file = self._files.new_file(path)
        except OSError as error:
            raise failed(error) from error
        return LakeWriter(file, schema, failed)

    def address(self, path: str) -> str:
        """The address of a file by its path."""
        return f"{self.uri}/{path}"

    def landing(self, folder: str) -> LandingFolder:
        """A folder for files that are not Parquet. Makes no request."""
        return LandingFolder(self._files, folder, _remedy)

    def files(self, prefix: str = "", ending: str = ".parquet") -> Iterator[str]:
        """The paths of the finished files below ``prefix`` with this ending, relative to the root, sorted.

        Raises:
            LakeError: the lake can't be listed.
        """
        try:
            found = sorted(self._files.paths(prefix))
        except OSError as error:
            remedy = _remedy(error) or "set MDP_LAKE_URI to the lake's folder"
            raise LakeError(f"{self.uri} can't be listed: {error} → {remedy}") from error
        return (path for path in found if path.endswith(ending))

    def metadata(self, path: str) -> dict[str, Any]:
        """The metadata that ``write`` stored in the file.

        Raises:
            LakeError: the file is damaged, or MDP did not write it.
        """
        try:
            with self._files.footer(path) as file:
                metadata: dict[str, Any] = json.loads((pq.read_metadata(file).metadata or {})[METADATA_KEY])
            return metadata
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            if remedy := _remedy(error):
                raise LakeError(f"{self.uri}/{path} can't be read: {error} → {remedy}") from error
            raise LakeError(
                f"{self.uri}/{path} is damaged, or MDP did not write it: {error!r} → move it out of the lake, "
                "then extract its days again"
            ) from error

    def schema(self, path: str) -> pa.Schema:
        """Names and types of a file's columns, by path or address. From a bucket, it reads only the file's end.

        Raises:
            LakeError: the file can't be read.
        """
        path = self._relative(path)
        try:
            return self._schema(path).remove_metadata()
        except (OSError, pa.ArrowException, ValueError) as error:
            raise self._unreadable(f"{self.uri}/{path}", error) from error

    def row_groups(self, address: str) -> Iterator[pa.Table]:
        """The rows of the file at an address, a row group at a time.

        Raises:
            LakeError: the file can't be read.
        """
        try:
            with self._files.content(self._relative(address)) as file:
                parquet = pq.ParquetFile(file, page_checksum_verification=True)
                for number in range(parquet.num_row_groups):
                    yield parquet.read_row_group(number)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise self._unreadable(address, error) from error

    def read(self, address: str) -> pa.Table:
        """The rows of the file at an address that ``write`` returned.

        Raises:
            LakeError: the file can't be read.
        """
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
        return LakeError(f"{address} can't be read: {error} → {_remedy(error) or 'extract its days again'}")


def _files(uri: str, storage_client: Callable[[], storage.Client] | None) -> Files:
    """The storage for an address. Raises ``OSError``, ``ValueError`` or Arrow's error if it can't be a lake."""
    if uri.startswith("gs://"):
        from mdp_dagster.lake.bucket import BucketFiles  # imported lazily: Google's libraries take about a second

        return BucketFiles(uri, storage_client)
    if ("://" in uri and not uri.startswith("file://")) or uri.startswith("gs:"):
        raise ValueError("MDP does not support this kind of address")
    return FolderFiles(uri)


def _remedy(error: Exception) -> str | None:
    remedy: str | None = getattr(error, "remedy", None)
    return remedy
