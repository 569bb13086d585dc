"""Bulk operations: Shopify runs a query over all of its objects and writes the answer to a file.

https://shopify.dev/docs/api/usage/bulk-operations/queries
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    PlatformError,
    QuotaError,
)
from mdp_dagster.connectors.shopify.client import ShopifyClient
from mdp_dagster.connectors.shopify.errors import GRANT_ACCESS, SmallerWindowError
from mdp_dagster.connectors.shopify.reports import (
    API_VERSION,
    BULK_OPERATION,
    CANCEL_BULK_OPERATION,
    RUN_BULK_OPERATION,
    RUNNING_BULK_OPERATIONS,
)

logger = logging.getLogger(__name__)

_NO_FREE_SLOT = {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}
_AT_WORK = {"CREATED", "RUNNING", "CANCELING"}


@dataclass(frozen=True, kw_only=True)
class BulkLimits:
    """The time limits of a bulk operation, in seconds. Shopify itself stops a hanging operation only after ten days.

    Args:
        run_seconds: How long an operation may run before it is cancelled.
        cancel_seconds: How long a cancelled operation may take to end. Until then, it holds one of the shop's places.
        slot_seconds: How long to wait while operations of other apps hold all places.
        first_poll_seconds: The first wait between two requests for the state. The wait then doubles.
        longest_poll_seconds: The longest wait between two requests for the state.
    """

    run_seconds: float = 2_400.0
    cancel_seconds: float = 900.0
    slot_seconds: float = 1_800.0
    first_poll_seconds: float = 1.0
    longest_poll_seconds: float = 15.0


@dataclass(frozen=True, kw_only=True)
class FinishedOperation:
    """A completed operation.

    Args:
        url: The signed address of the file; None if nothing matched.
        objects: The number of lines, as Shopify counted them.
        root_objects: The number of lines without a parent.
        file_size: The bytes of the file; None if Shopify does not report them.
    """

    url: str | None
    objects: int
    root_objects: int
    file_size: int | None


class BulkOperations:
    """Runs bulk operations in one shop, one at a time."""

    def __init__(self, client: ShopifyClient, limits: BulkLimits) -> None:
        self._client = client
        self._limits = limits

    def run(self, query: str) -> FinishedOperation:
        """Starts an operation, waits for its end, and returns it.

        An operation that does not complete is cancelled, also if this process is interrupted.

        Raises:
            SmallerWindowError: The operation took too long, or Shopify gave up. Half of the window may succeed.
            AccountError: Access to the data is denied.
            PlatformError: Shopify does not accept the query.
            QuotaError: Other apps hold all places for operations.
            TransientError: Shopify could not be reached.
        """
        operation = self._start(query)
        try:
            state = self._wait(operation, self._limits.run_seconds)
        except BaseException:
            # It would hold a place until it ends. The first error is the one to report.
            with suppress(ConnectorError):
                self._client.run_once(CANCEL_BULK_OPERATION, {"id": operation})
            raise
        if state.status in _AT_WORK:
            state = self._cancelled(operation)
        return self._outcome(operation, state)

    def _start(self, query: str) -> str:
        """Starts an operation as soon as there is a place for it, and returns its id."""
        waits = _Waits(self._limits, self._limits.slot_seconds)
        while True:
            operation, codes, words = self._client.read(RUN_BULK_OPERATION, _started, {"query": query})
            if operation:
                return operation
            words = self._client.redact(words)
            if not codes & _NO_FREE_SLOT and "already in progress" not in words:
                raise PlatformError(
                    f"{self._client.domain}: Shopify does not accept the bulk query: {words}",
                    f"this version of MDP requests API version {API_VERSION}: install a newer version of MDP",
                )
            logger.info("%s: waiting for the end of other bulk operations: %s", self._client.domain, words)
            if not waits.sleep():
                raise QuotaError(
                    f"{self._client.domain}: {words} {self._running()}", self._limits.slot_seconds,
                    "wait until the operations of the other apps have ended, or cancel them there",
                )  # fmt: skip

    def _running(self) -> str:
        """The operations that hold the places, for a message."""
        return self._client.read(
            RUNNING_BULK_OPERATIONS,
            lambda data: (
                "Running: "
                + ", ".join(f"{node['id']} since {node['createdAt']}" for node in data["bulkOperations"]["nodes"])
            ),
        )

    def _wait(self, operation: str, seconds: float) -> _State:
        """The state of an operation when it ends, or when the time is over."""
        waits = _Waits(self._limits, seconds)
        while True:
            state = self._client.read(BULK_OPERATION, _State.of, {"id": operation})
            if state.status not in _AT_WORK or not waits.sleep():
                return state

    def _cancelled(self, operation: str) -> _State:
        """Cancels an operation that MDP started, and waits for its end: it can still complete."""
        logger.warning(
            "%s: the bulk operation %s did not complete within %.0f s and is cancelled",
            self._client.domain, operation, self._limits.run_seconds,
        )  # fmt: skip
        self._client.run(CANCEL_BULK_OPERATION, {"id": operation})
        return self._wait(operation, self._limits.cancel_seconds)

    def _outcome(self, operation: str, state: _State) -> FinishedOperation:
        if state.finished is not None:
            logger.info(
                "%s: %d objects in %d lines", self._client.domain, state.finished.root_objects, state.finished.objects
            )
            return state.finished
        code = f" ({state.error_code})" if state.error_code else ""
        words = f"{self._client.domain}: the bulk operation {operation} ended as {state.status}{code}"
        if state.error_code == "ACCESS_DENIED":
            raise AccountError(words, GRANT_ACCESS)
        raise SmallerWindowError(words, "run the sync again; if it fails again, ask Shopify's support with this id")


@dataclass(frozen=True)
class _State:
    """The state of an operation."""

    status: str
    error_code: str | None
    finished: FinishedOperation | None

    @classmethod
    def of(cls, data: dict[str, Any]) -> _State:
        """Reads a state. Raises an error if a field has another form."""
        state = data["bulkOperation"]
        status, url, size = str(state["status"]), state["url"], state["fileSize"]
        if status != "COMPLETED":
            return cls(status, state["errorCode"], None)
        if url is not None and not str(url).startswith(("https://", "http://")):
            raise ValueError("the file has no address that can be read")
        finished = FinishedOperation(
            url=url,
            objects=int(state["objectCount"]),
            root_objects=int(state["rootObjectCount"]),
            file_size=None if size is None else int(size),
        )
        return cls(status, None, finished)


def _started(data: dict[str, Any]) -> tuple[str, set[str], str]:
    """The id of a started operation; or an empty id, with the codes and the words of the refusal."""
    payload = data["bulkOperationRunQuery"]
    errors = payload["userErrors"]
    if errors:
        return "", {str(error["code"]) for error in errors}, "; ".join(str(error["message"]) for error in errors)
    return str(payload["bulkOperation"]["id"]), set(), ""


class _Waits:
    """Waits that double, within a time limit."""

    def __init__(self, limits: BulkLimits, seconds: float) -> None:
        self._next = limits.first_poll_seconds
        self._longest = limits.longest_poll_seconds
        self._end = time.monotonic() + seconds

    def sleep(self) -> bool:
        """Sleeps for the next wait; False, without sleep, when the time is over."""
        left = self._end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(self._next, left))
        self._next = min(2 * self._next, self._longest)
        return True
