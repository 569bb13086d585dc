"""The lake's files as objects in a Cloud Storage bucket.

An object appears when its upload is complete, and every write has a precondition. So the client library may repeat a
request after its answer was lost. If the object exists by then, its checksum shows who wrote it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

import pyarrow as pa
from google.api_core.retry import Retry
from google.cloud import storage

from mdp_dagster.lake.gcs import TIMEOUT, BucketError, BucketLocation, retry

_FOOTER_BYTES = 64 * 1024
_MAGIC = b"PAR1"
_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "gz": "application/gzip",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}


class _Upload:
    """A temporary file on this machine's disk, which becomes an object."""

    def __init__(self, upload: Callable[[IO[bytes], str], None]) -> None:
        self._upload = upload
        self.content: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by finish or discard)

    def finish(self, path: str) -> None:
        """Upload the file."""
        with self.content:
            self._upload(self.content, path)

    def discard(self) -> None:
        """Delete the temporary file."""
        self.content.close()


class BucketFiles:
    """Files under ``gs://bucket/prefix``. The account needs only roles/storage.objectUser on the bucket."""

    def __init__(
        self, uri: str, storage_client: Callable[[], storage.Client] | None = None, setting: str = "MDP_LAKE_URI"
    ) -> None:
        """Makes no request. ``setting`` is the variable that holds the address, for messages.

        Raises:
            ValueError: the address does not name a bucket.
        """
        self._location = BucketLocation(uri, storage_client, setting)
        self.uri = self._location.uri

    def new_file(self, path: str) -> _Upload:
        """Begin a temporary file on this machine's disk."""
        return _Upload(self._upload)

    def _upload(self, content: IO[bytes], path: str) -> None:
        """Upload an object. Does nothing if an object with the same content exists."""
        size = content.seek(0, os.SEEK_END)
        try:
            with self._location.translated_errors():
                self._location.blob(path).upload_from_file(
                    content,
                    rewind=True,
                    size=size,
                    content_type=_CONTENT_TYPES.get(path.rpartition(".")[2]),
                    if_generation_match=0,
                    checksum="crc32c",
                    timeout=TIMEOUT,
                    retry=retry(),
                )
        except BucketError as error:
            existing = self._find_after(error, path)
            if existing and existing.md5_hash == _md5(content):
                return  # an earlier attempt succeeded, and only its answer was lost
            raise _already_exists() if existing else error from None

    def content(self, path: str) -> pa.NativeFile:
        """Download an object and check its checksum."""
        with self._location.translated_errors():
            content = self._location.blob(path).download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=retry())
        return pa.BufferReader(content)

    def stream(self, path: str) -> IO[bytes]:
        """Download an object to this machine's disk and check its checksum."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the caller)
        try:
            with self._location.translated_errors():
                self._location.blob(path).download_to_file(file, checksum="crc32c", timeout=TIMEOUT, retry=retry())
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def footer(self, path: str) -> pa.NativeFile:
        """Download the end of an object: one request for most files."""
        end = self._end(path, _FOOTER_BYTES)
        length = int.from_bytes(end[-8:-4], "little") + 8
        if end.endswith(_MAGIC) and length > len(end) == _FOOTER_BYTES:
            end = self._end(path, length)
        return pa.BufferReader(end)

    def paths(self, prefix: str) -> Iterator[str]:
        """List the objects below a folder, relative to the root."""
        root = self._location.name("")
        below = self._location.name(f"{prefix.rstrip('/')}/") if prefix else root
        with self._location.translated_errors():
            for blob in self._location.bucket().list_blobs(
                prefix=below, fields="items(name),nextPageToken", timeout=TIMEOUT, retry=retry()
            ):
                yield blob.name.removeprefix(root)

    def _end(self, path: str, size: int) -> bytes:
        try:
            with self._location.translated_errors():
                content: bytes = self._location.blob(path).download_as_bytes(
                    start=-size, checksum=None, timeout=TIMEOUT, retry=retry()
                )
                return content
        except BucketError as error:
            if error.status == 416:  # the object is empty
                return b""
            raise

    def _find(self, path: str, retry_policy: Retry | None = None) -> storage.Blob | None:
        with self._location.translated_errors():
            return self._location.bucket().get_blob(self._location.name(path), timeout=TIMEOUT, retry=retry_policy)

    def _find_after(self, error: BucketError, path: str) -> storage.Blob | None:
        """The object at ``path`` after a failed write, which may have succeeded although its answer was lost."""
        try:
            # Without a status, the write was already retried for as long as allowed.
            return self._find(path, retry() if error.status else None)
        except BucketError:
            raise error from None


def _md5(content: IO[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    content.seek(0)
    while part := content.read(1 << 20):
        digest.update(part)
    return base64.b64encode(digest.digest()).decode()


def _already_exists() -> BucketError:
    return BucketError(
        "another file exists there", "find out which process wrote it, and move it out of the lake", status=412
    )
