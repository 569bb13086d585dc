"""Cloud Storage for the lake and its leases: the bucket, one client, and errors with a remedy."""

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

from mdp_dagster.google_cloud.errors import error_text

RETRY_SECONDS = 120.0
"""How long one request is retried when the network or the service fails."""
TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and between two bytes of an answer."""

_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?")
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_TRANSIENT = (
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
    """A failed request to Cloud Storage.

    The message is the service's text. It never contains the request, because an upload's address grants access.

    Attributes:
        remedy: The advice to the user. Empty if that depends on the request.
        status: The HTTP status, or None if there was no answer.
        transient: Whether the same request may succeed later.
    """

    def __init__(self, message: str, remedy: str = "", status: int | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.status = status
        self.transient = transient


class BucketLocation:
    """A bucket and a prefix in it. Threads may share one."""

    def __init__(
        self, uri: str, storage_client: Callable[[], storage.Client] | None = None, setting: str = "MDP_LAKE_URI"
    ) -> None:
        """Makes no request.

        Args:
            uri: The address.
            storage_client: Makes the client, before the first request.
            setting: The variable that holds the address, for messages.

        Raises:
            ValueError: the address is not ``gs://bucket`` or ``gs://bucket/prefix``.
        """
        found = _URI.fullmatch(uri.rstrip("/"))
        if not found:
            raise ValueError("it does not name a bucket (at least three of a-z 0-9 . _ -)")
        self.bucket_name, self.prefix = found[1], found[2] or ""
        # * is a wildcard in addresses for BigQuery; the other characters are wildcards in gcloud.
        if re.search(r"[*?#\[\]\x00-\x1f]", self.prefix) or {"", ".", ".."} & set(uri.rstrip("/")[5:].split("/")):
            raise ValueError("the prefix has an empty part, or one of * ? # [ ]")
        self.uri = f"gs://{self.bucket_name}/{self.prefix}".rstrip("/")
        self._setting = setting
        self._make_client = storage_client or storage.Client
        self._lock = threading.Lock()
        self._bucket: storage.Bucket | None = None

    def bucket(self) -> storage.Bucket:
        """The bucket. The first call makes the client, and may raise its errors: see ``translated_errors``."""
        with self._lock:
            if self._bucket is None:
                # No request: reading the bucket's metadata needs a permission that MDP doesn't need otherwise.
                self._bucket = self._make_client().bucket(self.bucket_name)
            return self._bucket

    def blob(self, path: str) -> storage.Blob:
        """The object at a path relative to the prefix. Makes no request."""
        return self.bucket().blob(self.name(path))

    def name(self, path: str) -> str:
        """The object's name in the bucket: the prefix, then the path."""
        return f"{self.prefix}/{path}" if self.prefix else path

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Raise ``BucketError`` in place of every error of Google's libraries."""
        try:
            yield
        except BucketError:
            raise
        except (
            GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, RequestException, HTTPError,
            HTTPException, OSError,
        ) as error:  # fmt: skip
            # Not chained: the library's exception contains the request.
            raise self._translate(error) from None

    def _translate(self, error: Exception) -> BucketError:
        cause = error.cause if isinstance(error, RetryError) and error.cause else error
        status = None if (response := _response(cause)) is None else int(response.status_code)
        transient = (
            status in _TRANSIENT_STATUS or isinstance(error, _TRANSIENT) or bool(getattr(cause, "retryable", False))
        )
        message = error_text(cause, _response(cause))
        if error is not cause:
            message += f" (retried for {RETRY_SECONDS:.0f} s)"
        return BucketError(message, self._remedy(cause, status, message, transient), status, transient)

    def _remedy(self, error: Exception, status: int | None, message: str, transient: bool) -> str:
        bucket = f"gs://{self.bucket_name}"
        if transient:
            return "try again when the network and Cloud Storage work"
        if isinstance(error, GoogleAuthError) or status == 401:
            return (
                "check the credentials: GOOGLE_APPLICATION_CREDENTIALS (a key file), the machine's service account, or "
                "`gcloud auth application-default login`; MDP_GOOGLE_IMPERSONATE_SERVICE_ACCOUNT needs "
                "roles/iam.serviceAccountTokenCreator on that account"
            )
        if status == 403 and "retention" in message:
            return f"remove the retention policy from {bucket}, or set {self._setting} to a bucket without one"
        if status == 403:
            return (
                f"give MDP's account the role roles/storage.objectUser on the bucket {bucket}, "
                f"or set {self._setting} to another bucket"
            )
        if status == 404 and "No such object" not in message:
            return f"create the bucket {bucket}, or set {self._setting} to a bucket that exists"
        if status in (404, 412, 416):
            return ""
        return f"check {self._setting} and the bucket {bucket}"


def retry() -> Retry:
    """The retry policy of the lake's requests. Repeating a write is safe, because each has a precondition."""
    return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)


def _response(error: Exception) -> Any:
    """The error's HTTP response. A damaged transfer has none: its response reports success."""
    return None if isinstance(error, DataCorruption) else getattr(error, "response", None)
