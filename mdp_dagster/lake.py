"""The lake: immutable Parquet files, one per extract, in a local folder or a bucket.

A file appears whole or not at all. It carries everything that the warehouse knows of its extract (its metadata, see
`ingest/landing.py`), so that raw can be rebuilt from the lake alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

_METADATA_KEY = b"mdp"
_UNFINISHED = ".unfinished"


class LakeError(Exception):
    """The lake can't be written or read. Names the place and the remedy."""


class Lake:
    """Files under one root: ``/a/folder``, ``file:///a/folder`` or ``gs://bucket/prefix``."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        if "://" in uri:
            try:
                # Spaces and umlauts as people write them; what is escaped already stays.
                self._fs, self._root = pafs.FileSystem.from_uri(quote(self.uri, safe=":/%?&=@"))
                if not self._root:
                    raise pa.ArrowInvalid("it names no bucket and no folder")
            except (OSError, pa.ArrowException) as error:
                raise LakeError(
                    f"{uri} can't be a lake: {error} → set MDP_LAKE_URI to a folder, file:///a/folder or gs://bucket/prefix"
                ) from error
        else:
            self._fs, self._root = pafs.LocalFileSystem(), os.path.abspath(uri)
            self.uri = self._root  # an address must mean the same from every folder

    def write(self, path: str, table: pa.Table, metadata: dict[str, Any]) -> str:
        """Write one file and give its address. ``path`` is relative to the root and must be new.

        Raises ``LakeError`` (a full disk, missing rights); what was half written is removed.
        """
        target = f"{self._root}/{path}"
        unfinished = target + _UNFINISHED
        table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(metadata).encode()})
        try:
            self._fs.create_dir(os.path.dirname(target), recursive=True)
            # With checksums: a bit that a disk turns over would otherwise change numbers in silence.
            pq.write_table(table, unfinished, filesystem=self._fs, compression="zstd", write_page_checksum=True)
            self._sync(unfinished)
            self._fs.move(unfinished, target)
        except (OSError, pa.ArrowException) as error:
            self._remove_quietly(unfinished)
            raise LakeError(
                f"{self.uri}/{path} can't be written: {error} → free space there, or point MDP_LAKE_URI elsewhere; "
                "nothing of this extract was committed, the next run pulls it again"
            ) from error
        return f"{self.uri}/{path}"

    def move(self, path: str, new_path: str) -> None:
        """Give a file another place. Raises ``LakeError``."""
        try:
            self._fs.create_dir(os.path.dirname(f"{self._root}/{new_path}"), recursive=True)
            self._fs.move(f"{self._root}/{path}", f"{self._root}/{new_path}")
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"{self.uri}/{path} can't be moved to {new_path}: {error} → move it by hand") from error

    def files(self, prefix: str = "") -> Iterator[str]:
        """The finished files below ``prefix``, as paths relative to the root, in order."""
        selector = pafs.FileSelector(f"{self._root}/{prefix}".rstrip("/"), recursive=True, allow_not_found=True)
        try:
            infos = self._fs.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"{self.uri} can't be listed: {error} → set MDP_LAKE_URI to the lake's folder") from error
        for path in sorted(info.path for info in infos if info.type == pafs.FileType.File):
            if path.endswith(".parquet"):
                yield path[len(self._root) + 1 :]

    def metadata(self, path: str) -> dict[str, Any]:
        """What was written beside the rows of a file. Raises ``LakeError`` for a file that MDP didn't write whole."""
        try:
            found = pq.read_schema(f"{self._root}/{path}", filesystem=self._fs).metadata or {}
            metadata: dict[str, Any] = json.loads(found[_METADATA_KEY])
            return metadata
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise LakeError(
                f"{self.uri}/{path} is no extract of MDP, or is damaged: {error!r} → move it out of the lake, "
                "then pull its days again"
            ) from error

    def read(self, address: str) -> pa.Table:
        """The rows of a file, by the address that ``write`` gave."""
        try:
            path = self._root + address.removeprefix(self.uri)
            return pq.read_table(path, filesystem=self._fs, page_checksum_verification=True)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise LakeError(f"{address} can't be read: {error} → pull its days again") from error

    def _sync(self, path: str) -> None:
        """Have a local file on the disk before its name says that it is whole: power can fail too."""
        if isinstance(self._fs, pafs.LocalFileSystem):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _remove_quietly(self, path: str) -> None:
        # It may never have been created; the first error is the one to tell.
        with suppress(OSError, pa.ArrowException):
            self._fs.delete_file(path)
