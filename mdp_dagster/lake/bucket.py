"""The lake's files as objects of a bucket in Cloud Storage.

An object appears when its upload is complete, and every write has a precondition. So the library may repeat a request
whose answer was lost, and what it finds done already is told from somebody else's object by its checksum.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from typing import IO

import pyarrow as pa
from google.api_core.retry import Retry
from google.cloud import storage

from mdp_dagster.lake.gcs import TIMEOUT, BucketError, BucketPlace, retry

_FOOTER_BYTES = 64 * 1024
_MAGIC = b"PAR1"


class BucketFiles:
    """``gs://bucket/prefix``. The account needs roles/storage.objectUser on the bucket, and nothing else."""

    def __init__(self, uri: str, storage_client: Callable[[], storage.Client] | None = None) -> None:
        """Raises ``ValueError`` for an address that names no bucket. Makes no request."""
        self._place = BucketPlace(uri, storage_client)
        self.uri = self._place.uri

    def create(self, path: str, fill: Callable[[IO[bytes]], object]) -> None:
        content = io.BytesIO()
        fill(content)
        try:
            with self._place.explained():
                self._place.blob(path).upload_from_file(
                    content,
                    rewind=True,
                    size=len(content.getbuffer()),
                    content_type="application/vnd.apache.parquet",
                    if_generation_match=0,
                    checksum="crc32c",
                    timeout=TIMEOUT,
                    retry=retry(),
                )
        except BucketError as error:
            there = self._look_after(error, path)
            if there and there.md5_hash == _md5(content):
                return  # an earlier try arrived, and only its answer was lost
            raise _taken() if there else error from None

    def content(self, path: str) -> pa.NativeFile:
        with self._place.explained():
            content = self._place.blob(path).download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=retry())
        return pa.BufferReader(content)

    def footer(self, path: str) -> pa.NativeFile:
        """One request for most files."""
        end = self._end(path, _FOOTER_BYTES)
        length = int.from_bytes(end[-8:-4], "little") + 8
        if end.endswith(_MAGIC) and length > len(end) == _FOOTER_BYTES:
            end = self._end(path, length)
        return pa.BufferReader(end)

    def move(self, path: str, new_path: str) -> None:
        """A copy, then a deletion. After a death in between both are there, with the same content."""
        source = self._look(path, retry())
        if source is None:
            if self._look(new_path, retry()):
                return
            raise BucketError(f"No such object: {self.uri}/{path}")
        try:
            with self._place.explained():
                bucket = self._place.bucket()
                bucket.copy_blob(
                    self._place.blob(path),
                    bucket,
                    self._place.name(new_path),
                    if_generation_match=0,
                    if_source_generation_match=source.generation,
                    timeout=TIMEOUT,
                    retry=retry(),
                )
        except BucketError as error:
            there = self._look_after(error, new_path)
            if not there or _checksums(there) != _checksums(source):
                raise _taken() if there else error from None
        self._delete(path, source.generation)

    def paths(self, prefix: str) -> Iterator[str]:
        root = self._place.name("")
        below = self._place.name(f"{prefix.rstrip('/')}/") if prefix else root
        with self._place.explained():
            for blob in self._place.bucket().list_blobs(
                prefix=below, fields="items(name),nextPageToken", timeout=TIMEOUT, retry=retry()
            ):
                yield blob.name.removeprefix(root)

    def _end(self, path: str, size: int) -> bytes:
        try:
            with self._place.explained():
                content: bytes = self._place.blob(path).download_as_bytes(
                    start=-size, checksum=None, timeout=TIMEOUT, retry=retry()
                )
                return content
        except BucketError as error:
            if error.status == 416:  # it is empty
                return b""
            raise

    def _delete(self, path: str, generation: int) -> None:
        try:
            with self._place.explained():
                self._place.blob(path).delete(if_generation_match=generation, timeout=TIMEOUT, retry=retry())
        except BucketError as error:
            if error.status != 404:  # otherwise an earlier try arrived
                raise

    def _look(self, path: str, again: Retry | None = None) -> storage.Blob | None:
        with self._place.explained():
            return self._place.bucket().get_blob(self._place.name(path), timeout=TIMEOUT, retry=again)

    def _look_after(self, error: BucketError, path: str) -> storage.Blob | None:
        """What lies there after a write that failed, and may have arrived all the same."""
        try:
            # Where no answer came, patience is used up.
            return self._look(path, retry() if error.status else None)
        except BucketError:
            raise error from None


def _checksums(blob: storage.Blob) -> tuple[int, str, str | None]:
    return blob.size, blob.crc32c, blob.md5_hash


def _md5(content: io.BytesIO) -> str:
    return base64.b64encode(hashlib.md5(content.getbuffer(), usedforsecurity=False).digest()).decode()


def _taken() -> BucketError:
    return BucketError(
        "another file lies there already", "look which process wrote it, and move it out of the lake", status=412
    )
