"""Bulk operations: they are started, run in a thread of their own, and leave a file."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.faults import Fault
from sandbox.shopify.bulk_file import Counts, FileStyle, write_file
from sandbox.shopify.documents import iso
from sandbox.shopify.projection import Document, Projection

LARGEST_NUMBER = 5  # of operations at a time, per app and shop
_FIRST_NUMBER = 7_700_000_000_001
_RUNNING = ("CREATED", "RUNNING", "CANCELING")

TakeFault = Callable[[str], Fault | None]


@dataclass(slots=True)
class BulkOperation:
    """A bulk operation. The counts grow while its file is written."""

    number: int
    domain: str
    query: str
    created_at: int
    key: str
    status: str = "CREATED"
    error_code: str | None = None
    completed_at: int | None = None
    counts: Counts = field(default_factory=Counts)
    path: Path | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    polls_until_canceled: int = 0

    @property
    def id(self) -> str:
        """Its global id."""
        return f"gid://shopify/BulkOperation/{self.number}"


class BulkOperations:
    """The bulk operations of all shops. Safe to use from several threads.

    Args:
        folder: The folder for the files.
        file_url: Returns the address of an operation's file.
    """

    def __init__(self, folder: Path, file_url: Callable[[BulkOperation], str]) -> None:
        self._folder = folder
        self._file_url = file_url
        self._lock = threading.Lock()
        self._numbers = itertools.count(_FIRST_NUMBER)
        self._operations: dict[int, BulkOperation] = {}
        self._workers = ThreadPoolExecutor(LARGEST_NUMBER, thread_name_prefix="sandbox-bulk")

    def stop(self) -> None:
        """Ends the operations, and deletes the files."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        for operation in self._operations.values():
            if operation.path is not None:
                operation.path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Forgets all operations."""
        with self._lock:
            self._operations.clear()

    def running(self, domain: str) -> list[BulkOperation]:
        """Returns the shop's operations that have not ended, newest first."""
        return [operation for operation in self.all(domain) if operation.status in _RUNNING]

    def all(self, domain: str) -> list[BulkOperation]:
        """Returns the shop's operations, newest first."""
        with self._lock:
            return [o for _, o in sorted(self._operations.items(), reverse=True) if o.domain == domain]

    def find(self, domain: str, id_: str) -> BulkOperation | None:
        """Returns an operation by its global id, and moves on one that is being canceled."""
        operation = self.by_number(id_.rpartition("/")[2])
        if operation is None or operation.domain != domain:
            return None
        if operation.status == "CANCELING":
            operation.polls_until_canceled -= 1
            if operation.polls_until_canceled < 0:
                operation.status = "CANCELED"
        return operation

    def by_number(self, number: str) -> BulkOperation | None:
        """Returns an operation by the number of its id."""
        with self._lock:
            return self._operations.get(int(number)) if number.isdecimal() else None

    def start(
        self,
        domain: str,
        query: str,
        now: int,
        documents: Iterable[Document],
        projection: Projection,
        *,
        grouped: bool,
        take: TakeFault,
    ) -> BulkOperation:
        """Starts an operation. ``take`` returns a fault that hits it."""
        kinds = (
            "bulk_failed", "bulk_canceled", "bulk_stuck", "bulk_slow_to_cancel", "bulk_without_url", "wrong_counts",
            "truncated_file", "children_first", "malformed",
        )  # fmt: skip
        faults = {kind: fault for kind in kinds if (fault := take(kind)) is not None}
        with self._lock:
            operation = BulkOperation(next(self._numbers), domain, query, now, secrets.token_urlsafe(16))
            operation.faults = faults
            self._operations[operation.number] = operation
        style = FileStyle(grouped, faults.get("children_first"), faults.get("malformed"))
        self._workers.submit(self._run, operation, documents, projection, style)
        return operation

    def deny(self, domain: str, query: str, now: int) -> BulkOperation:
        """Starts an operation that fails, because the app lacks a scope."""
        with self._lock:
            operation = BulkOperation(next(self._numbers), domain, query, now, secrets.token_urlsafe(16))
            operation.status, operation.error_code, operation.completed_at = "FAILED", "ACCESS_DENIED", now
            self._operations[operation.number] = operation
            return operation

    def cancel(self, operation: BulkOperation) -> str | None:
        """Begins to cancel an operation. Returns Shopify's message if that is too late."""
        with self._lock:
            if operation.status not in _RUNNING:
                return f"A bulk operation cannot be canceled when it is {operation.status.lower()}"
            operation.status = "CANCELING"
            slow = operation.faults.get("bulk_slow_to_cancel")
            operation.polls_until_canceled = int(slow.number("polls")) if slow else 0
            return None

    def document(self, operation: BulkOperation) -> dict[str, Any]:
        """Returns an operation as the API shows it."""
        with self._lock:
            wrong = operation.faults.get("wrong_counts") if operation.status == "COMPLETED" else None
            off = {name: int(wrong.number(name)) if wrong else 0 for name in ("objects", "roots", "bytes")}
            counts = operation.counts
            document: dict[str, Any] = {
                "__typename": "BulkOperation",
                "id": operation.id,
                "status": operation.status,
                "type": "QUERY",
                "errorCode": operation.error_code,
                "createdAt": iso(operation.created_at),
                "completedAt": iso(operation.completed_at) if operation.completed_at else None,
                "objectCount": str(counts.objects + off["objects"]),
                "rootObjectCount": str(counts.roots + off["roots"]),
                "fileSize": None,
                "url": None,
                "partialDataUrl": None,
                "query": operation.query,
            }
            if operation.status == "COMPLETED" and counts.objects:
                document["fileSize"] = str(counts.bytes + off["bytes"])
                if "bulk_without_url" not in operation.faults:
                    document["url"] = self._file_url(operation)
            elif operation.status == "FAILED" and counts.objects:
                document["partialDataUrl"] = self._file_url(operation)
            return document

    def _run(
        self, operation: BulkOperation, documents: Iterable[Document], projection: Projection, style: FileStyle
    ) -> None:
        with self._lock:
            if operation.status == "CREATED":
                operation.status = "RUNNING"
        operation.path = self._folder / f"bulk-{operation.number}.jsonl"
        try:
            write_file(operation.path, documents, projection, style, operation.counts)
        except Exception:
            self._end(operation, "FAILED", "INTERNAL_SERVER_ERROR")
            raise
        if truncated := operation.faults.get("truncated_file"):
            with operation.path.open("r+b") as file:
                file.truncate(int(operation.counts.bytes * truncated.number("share")))
        if failed := operation.faults.get("bulk_failed"):
            self._end(operation, "FAILED", str(failed.params["error_code"]))
        elif "bulk_canceled" in operation.faults:
            self._end(operation, "CANCELED")
        elif "bulk_stuck" not in operation.faults:
            self._end(operation, "COMPLETED")

    def _end(self, operation: BulkOperation, status: str, error_code: str | None = None) -> None:
        with self._lock:
            if operation.status in ("CREATED", "RUNNING"):
                operation.status, operation.error_code = status, error_code
                operation.completed_at = operation.created_at
