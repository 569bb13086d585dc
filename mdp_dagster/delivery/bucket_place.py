"""A bucket as the place where files are published. Each replacement names the generation that it expects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from google.cloud import storage

from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.delivery.places import Replaced
from mdp_dagster.lake.bucket import BucketFiles
from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.gcs import TIMEOUT, BucketError, retry
from mdp_dagster.lake.lease.lease import BucketLease, LeaseLost

_PRECONDITION_FAILED = 412
_NOT_FOUND = 404


class BucketPlace(BucketFiles):
    """Objects under ``gs://bucket/prefix``. The account needs only roles/storage.objectUser on the bucket."""

    def __init__(
        self, uri: str, setting: str, storage_client: Callable[[], storage.Client] | None, timeout_seconds: float
    ) -> None:
        """Makes no request.

        Raises:
            ValueError: The address does not name a bucket.
        """
        super().__init__(uri, storage_client, setting)
        self._lease = BucketLease(self.uri, storage_client, "publish", timeout_seconds, setting=setting)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds a lease in the bucket."""
        try:
            with self._lease.held():
                yield
        except (LakeError, LeaseLost) as error:
            raise DeliveryError(str(error)) from error

    def check(self) -> None:
        """Raises if this process was paused for so long that it lost the lease. Makes no request."""
        try:
            self._lease.check()
        except LeaseLost as error:
            raise DeliveryError(str(error)) from error

    def version(self, path: str) -> str | None:
        """The object's generation."""
        blob = self._find(path, retry())
        return None if blob is None else str(blob.generation)

    def replace(self, source: str, target: str, expected: str | None) -> str:
        """Copies the object inside the bucket."""
        try:
            with self._location.translated_errors():
                copy = self._location.bucket().copy_blob(
                    self._location.blob(source),
                    self._location.bucket(),
                    self._location.name(target),
                    if_generation_match=int(expected or 0),
                    timeout=TIMEOUT,
                    retry=retry(),
                )
                return str(copy.generation)
        except BucketError as error:
            if error.status != _PRECONDITION_FAILED:
                raise
            return self._copied_before(source, target)

    def _copied_before(self, source: str, target: str) -> str:
        """Returns the generation of the target if it has the source's content: then only an answer was lost."""
        there, mine = self._find(target, retry()), self._find(source, retry())
        if there is None or mine is None or (there.md5_hash, there.size) != (mine.md5_hash, mine.size):
            raise Replaced(target)
        return str(there.generation)

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder: the parts of the objects' names that follow."""
        return sorted({found.removeprefix(f"{path}/").split("/")[0] for found in self.paths(path)})

    def remove_folder(self, path: str) -> None:
        """Deletes the objects of a folder."""
        for found in list(self.paths(path)):
            try:
                with self._location.translated_errors():
                    self._location.blob(found).delete(timeout=TIMEOUT, retry=retry())
            except BucketError as error:
                if error.status != _NOT_FOUND:
                    raise
