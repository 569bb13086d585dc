"""The file of a bulk operation: streamed from its signed address to the lake, and counted on the way."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from mdp_dagster.connectors.answer_landing import Landing
from mdp_dagster.connectors.errors import AccountError, ConnectorError, DeadlineError, TransientError
from mdp_dagster.connectors.redaction import redact
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.connectors.shop_documents import LandedFile, ShopWindow
from mdp_dagster.connectors.shopify.bulk_operation import FinishedOperation
from mdp_dagster.connectors.shopify.errors import IncompleteFileError
from mdp_dagster.connectors.shopify.shop_http import client_options
from mdp_dagster.connectors.shopify.transfer_deadline import TransferDeadline

_CHUNK_BYTES = 1 << 18
_SILENCE_SECONDS = 60.0
_FAST = 1  # zlib's fastest level: a third of the CPU seconds of the default, and files that are a fifth larger
_CHILD = b'"__parentId":'  # inside a text, the quote before the colon is escaped


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file to land.

    Args:
        operation: The operation that wrote the file.
        window: The window that the file answers.
        path: The path of the file in the landing place.
        subject: The shop, for messages.
    """

    operation: FinishedOperation
    window: ShopWindow
    path: str
    subject: str


class AnswerFiles:
    """Lands the files of bulk operations.

    Args:
        retry: The retries of a download. Each begins with an empty file.
        deadline_seconds: The time limit of one download.
        transport: The transport in tests.
    """

    def __init__(
        self, retry: RetryPolicy, deadline_seconds: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._retry = retry
        self._deadline_seconds = deadline_seconds
        self._transport = transport

    def land(self, download: Download, landing: Landing) -> LandedFile:
        """Writes the file to the lake if it has exactly the lines and bytes that Shopify counted.

        Raises:
            IncompleteFileError: The counts differ, also after another download.
            TransientError: The file could not be received.
            AccountError: Shopify does not give the file.
            OSError: The lake could not be written.
        """
        return self._retry.run(lambda: self._land(download, landing))

    def _land(self, download: Download, landing: Landing) -> LandedFile:
        file = landing.new_file(download.path)
        try:
            counts = _Counts()
            with gzip.GzipFile("", "wb", _FAST, file.content, mtime=0) as packed:
                for chunk in self._chunks(download):
                    counts.add(chunk)
                    packed.write(chunk)
            counts.end()
            counts.check(download)
            file.finish(download.path)
        except BaseException:
            file.discard()
            raise
        return LandedFile(
            path=download.path, window=download.window, lines=counts.lines, documents=download.operation.root_objects
        )

    def _chunks(self, download: Download) -> Iterator[bytes]:
        url = download.operation.url
        if url is None:  # nothing matched
            return
        failure: ConnectorError | None = None
        with TransferDeadline(self._deadline_seconds) as deadline:
            try:
                yield from self._stream(url, deadline, download.subject)
            except httpx.HTTPError as error:
                failure = _broken(error, deadline, download.subject)
        if failure is not None:  # outside the handler: the error holds the request with the signed address
            raise failure

    def _stream(self, url: str, deadline: TransferDeadline, subject: str) -> Iterator[bytes]:
        options: dict[str, Any] = {"headers": {"Accept-Encoding": "identity"}, "extensions": {"trace": deadline.trace}}
        # The address is signed and on another host. The access token must not be sent there.
        with (
            httpx.Client(**client_options(_SILENCE_SECONDS), transport=self._transport) as http,
            http.stream("GET", url, **options) as answer,
        ):
            if answer.status_code != 200:
                raise _refused(answer.status_code, subject)
            yield from answer.iter_bytes(_CHUNK_BYTES)


class _Counts:
    """Counts the lines of a file that arrives in chunks."""

    def __init__(self) -> None:
        self.lines = 0
        self.size = 0
        self._children = 0
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        """Counts the complete lines. The rest of the last line waits for the next chunk."""
        self.size += len(chunk)
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._rest += chunk
            return
        complete = self._rest + chunk[:end]
        self._rest = chunk[end:]
        self.lines += complete.count(b"\n")
        self._children += complete.count(_CHILD)

    def end(self) -> None:
        """Counts a last line that has no line end."""
        if self._rest:
            self.lines += 1
            self._children += self._rest.count(_CHILD)
            self._rest = b""

    def check(self, download: Download) -> None:
        """Raises ``IncompleteFileError`` if a number is not Shopify's."""
        operation = download.operation
        compared = {
            "lines": (self.lines, operation.objects),
            "lines without a parent": (self.lines - self._children, operation.root_objects),
            "bytes": (self.size, self.size if operation.file_size is None else operation.file_size),
        }
        differing = [
            f"{found:,} {what} instead of {expected:,}"
            for what, (found, expected) in compared.items()
            if found != expected
        ]
        if differing:
            raise IncompleteFileError(
                f"{download.subject}: the file of the bulk operation has {', '.join(differing)}",
                "nothing of it was committed; the next run requests it again",
            )


def _broken(error: httpx.HTTPError, deadline: TransferDeadline, subject: str) -> ConnectorError:
    """The error for a transfer that broke off, without the signed address."""
    if deadline.expired:
        return DeadlineError(f"{subject}: the file did not arrive within {deadline.seconds:g} s")
    words = f"{subject}: the file broke off: {redact(str(error))} ({type(error).__name__})"
    return TransientError(words, "check the connection to Shopify's file server")


def _refused(status: int, subject: str) -> ConnectorError:
    words = f"{subject}: HTTP {status} for the file of the bulk operation"
    if status >= 500 or status in (408, 429):
        return TransientError(words)
    return AccountError(words, "run the sync again: the address of a file is valid for 7 days")
