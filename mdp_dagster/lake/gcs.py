"""Cloud Storage under the lake and its leases: the bucket, one client, and what errors mean for who runs MDP."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from google.api_core.exceptions import GoogleAPIError, RetryError
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests import RequestException
from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout
from urllib3.exceptions import HTTPError

from mdp_dagster.google_cloud.errors import words_of

RETRY_SECONDS = 120.0
"""For how long one request is tried again when the network or the service fails."""
TIMEOUT = (10.0, 60.0)
"""Seconds: until connected, and between two bytes of an answer."""

_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?")
_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
_PASSING = (
    ConnectionError,
    Timeout,
    ChunkedEncodingError,
    HTTPError,
    HTTPException,
    TransportError,
    RetryError,
    DataCorruption,
)


class BucketError(OSError):
    """A request to Cloud Storage that failed. It shows the service's words, never the request, which may hold the
    right to an upload.

    ``remedy``: what to do, empty if that depends on what was asked. ``status``: HTTP's, None where no answer came.
    ``passing``: it may succeed when it is made again.
    """

    def __init__(self, words: str, remedy: str = "", status: int | None = None, passing: bool = False) -> None:
        super().__init__(words)
        self.remedy = remedy
        self.status = status
        self.passing = passing


class BucketPlace:
    """A bucket and a prefix in it. Threads may share it."""

    def __init__(self, uri: str, storage_client: Callable[[], storage.Client] | None = None) -> None:
        """Raises ``ValueError`` for what isn't ``gs://bucket`` or ``gs://bucket/prefix``. Makes no request."""
        found = _URI.fullmatch(uri.rstrip("/"))
        if not found:
            raise ValueError("it names no bucket (at least three of a-z 0-9 . _ -)")
        self.bucket_name, self.prefix = found[1], found[2] or ""
        # * is a wildcard in BigQuery's addresses, the others in gcloud's
        if re.search(r"[*?#\[\]\x00-\x1f]", self.prefix) or {"", ".", ".."} & set(uri.rstrip("/")[5:].split("/")):
            raise ValueError("the prefix has empty parts, or one of * ? # [ ]")
        self.uri = f"gs://{self.bucket_name}/{self.prefix}".rstrip("/")
        self._make_client = storage_client or storage.Client
        self._lock = threading.Lock()
        self._bucket: storage.Bucket | None = None

    def bucket(self) -> storage.Bucket:
        """Raises what the maker of clients raises; see ``explained``."""
        with self._lock:
            if self._bucket is None:
                # Not looked up: that would take a right that reading and writing objects doesn't need.
                self._bucket = self._make_client().bucket(self.bucket_name)
            return self._bucket

    def blob(self, path: str) -> storage.Blob:
        """An object as if nothing were known of it. ``path`` is relative to the prefix."""
        return self.bucket().blob(self.name(path))

    def name(self, path: str) -> str:
        """A path with the prefix before it."""
        return f"{self.prefix}/{path}" if self.prefix else path

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Makes a ``BucketError`` of everything that Google's libraries raise."""
        try:
            yield
        except BucketError:
            raise
        except (
            GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, RequestException, HTTPError,
            HTTPException, OSError,
        ) as error:  # fmt: skip
            # Not chained: the library's exception holds the request.
            raise self._explain(error) from None

    def _explain(self, error: Exception) -> BucketError:
        cause = error.cause if isinstance(error, RetryError) and error.cause else error
        status = None if (response := _response(cause)) is None else int(response.status_code)
        passing = status in _PASSING_STATUS or isinstance(error, _PASSING) or bool(getattr(cause, "retryable", False))
        words = words_of(cause, _response(cause))
        if error is not cause:
            words += f" (tried again for {RETRY_SECONDS:.0f} s)"
        return BucketError(words, self._remedy(cause, status, words, passing), status, passing)

    def _remedy(self, error: Exception, status: int | None, words: str, passing: bool) -> str:
        bucket = f"gs://{self.bucket_name}"
        if passing:
            return "try again when the network and Cloud Storage are there"
        if isinstance(error, GoogleAuthError) or status == 401:
            return (
                "check the credentials: GOOGLE_APPLICATION_CREDENTIALS (a key file), the machine's service account, or "
                "`gcloud auth application-default login`; MDP_GOOGLE_IMPERSONATE_SERVICE_ACCOUNT takes "
                "roles/iam.serviceAccountTokenCreator on that account"
            )
        if status == 403 and "retention" in words:
            return f"take the retention policy off {bucket}, or set MDP_LAKE_URI to a bucket without one"
        if status == 403:
            return (
                f"give the account that MDP runs as the role roles/storage.objectUser on the bucket {bucket}, "
                "or set MDP_LAKE_URI to another bucket"
            )
        if status == 404 and "No such object" not in words:
            return f"create the bucket {bucket}, or set MDP_LAKE_URI to one that is there"
        if status in (404, 412, 416):
            return ""
        return f"check MDP_LAKE_URI and the bucket {bucket}"


def retry() -> Retry:
    """Every request of the lake may be made twice: what writes has a precondition."""
    return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)


def _response(error: Exception) -> Any:
    """The answer that is the error. (A damaged transfer has one that says it went well.)"""
    return None if isinstance(error, DataCorruption) else getattr(error, "response", None)
