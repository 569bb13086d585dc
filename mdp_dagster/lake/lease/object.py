"""The object of a lease, and one process's claim to it.

An object's generation changes with every write, and each write names the generation that it expects. So of two writers
one succeeds, and the other gets an error. If the answer to a write is lost, its token shows whether it arrived.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from uuid import uuid4

from mdp_dagster.google_cloud.limited_requests import requests_within
from mdp_dagster.lake.gcs import BucketError, BucketLocation

log = logging.getLogger(__name__)

ABSENT = 0
"""The generation of an object that does not exist."""
_CLOCK_RATE_MARGIN = 1.1  # more than one machine's clock can run faster than another's


def now() -> float:
    """Seconds on a clock that can't be set, and that continues while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class LeaseRecord:
    """The content of a lease's object. ``number`` counts the holder's own writes."""

    generation: int
    token: str
    number: int
    duration_seconds: float
    holder: str


class LeaseObject:
    """The object in the bucket. Each method sends one request, without retries, and raises ``BucketError``."""

    def __init__(self, location: BucketLocation, path: str, request_seconds: float) -> None:
        self.address = f"{location.uri}/{path}"
        self._location = location
        self._path = path
        self._timeout = request_seconds

    def read(self) -> LeaseRecord | None:
        """The object's content, or None if it does not exist."""
        with self._location.translated_errors(), requests_within(self._timeout):
            blob = self._location.bucket().get_blob(self._location.name(self._path), timeout=self._timeout, retry=None)
        if blob is None:
            return None
        values = blob.metadata or {}
        try:
            duration = float(values["duration_seconds"])
            return LeaseRecord(blob.generation, values["token"], int(values["number"]), duration, values["holder"])
        except (KeyError, ValueError):
            raise BucketError("the object is not a lease of MDP", "delete that object") from None

    def write(self, values: dict[str, str], generation: int) -> int | None:
        """Write the object, and return its new generation. None if its generation is not the given one."""
        try:
            with self._location.translated_errors(), requests_within(self._timeout):
                blob = self._location.blob(self._path)
                blob.metadata = values  # so that one request reads both the values and the generation
                blob.upload_from_string(
                    json.dumps(values, indent=1),  # for people
                    content_type="application/json",
                    if_generation_match=generation,
                    timeout=self._timeout,
                    retry=None,
                )
                return int(blob.generation)
        except BucketError as error:
            if error.status == 412:
                return None
            raise

    def remove(self, generation: int) -> bool:
        """Delete the object. Returns False if its generation is not the given one, or if it does not exist."""
        try:
            with self._location.translated_errors(), requests_within(self._timeout):
                self._location.blob(self._path).delete(
                    if_generation_match=generation, timeout=self._timeout, retry=None
                )
            return True
        except BucketError as error:
            if error.status in (404, 412):
                return False
            raise


class Claim:
    """One process's claim to a lease. Threads must not share it without a lock.

    Attributes:
        duration_seconds: How long the lease stays in force after a write.
        generation: The object's generation after the newest write that certainly arrived.
        valid_until: Until this time (``now()``), no other process takes the object over.
    """

    def __init__(self, lease_object: LeaseObject, duration_seconds: float) -> None:
        self.duration_seconds = duration_seconds
        self.generation = ABSENT
        self.valid_until = float("-inf")
        self._object = lease_object
        self._token = uuid4().hex
        self._sent_at: list[float] = []
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._holder = f"process {os.getpid()} on {socket.gethostname()}, since {since}"

    def write(self, generation: int) -> bool:
        """Acquire or renew the lease, or take it over.

        Args:
            generation: The generation that the object has, as far as this process can tell.

        Returns:
            Whether this claim now holds the lease. False if the object has another generation.

        Raises:
            BucketError: the request failed. The write may have arrived nevertheless.
        """
        number = len(self._sent_at)
        # The time before the request: a waiting process counts from a time after the object was written.
        self._sent_at.append(now())
        values = {
            "holder": self._holder,
            "token": self._token,
            "number": str(number),
            "duration_seconds": str(self.duration_seconds),
        }
        written = self._object.write(values, generation)
        if written is None:
            return self.confirm(self._object.read())
        self._record_write(written, number)
        return True

    def confirm(self, record: LeaseRecord | None) -> bool:
        """Whether the object contains this claim. Then an earlier write arrived, and only its answer was lost."""
        if record is None or record.token != self._token:
            return False
        self._record_write(record.generation, record.number)
        return True

    def _record_write(self, generation: int, number: int) -> None:
        self.generation = generation
        self.valid_until = self._sent_at[number] + self.duration_seconds


class Candidate:
    """A process that waits for the lease.

    Attributes:
        claim: Holds the lease after ``try_to_acquire`` has returned True.
        rival: The holder that was seen last.
    """

    def __init__(self, lease_object: LeaseObject, duration_seconds: float) -> None:
        self.claim = Claim(lease_object, duration_seconds)
        self.rival: LeaseRecord | None = None
        self._object = lease_object
        self._seen_at = 0.0
        self._free_generation: int | None = ABSENT  # the generation that this process may overwrite

    def try_to_acquire(self) -> bool:
        """Write the object if it was free at the last look, then read it. Returns whether the lease is held.

        Raises:
            BucketError: a request failed.
        """
        if self._free_generation is not None and self.claim.write(self._free_generation):
            if self._free_generation != ABSENT and self.rival:
                log.warning(
                    "%s: taken over from %s, which stopped renewing it", self._object.address, self.rival.holder
                )
            return True
        record = self._object.read()
        if self.claim.confirm(record):
            return True
        self._free_generation = self._overwritable(record)
        return False

    @property
    def lease_is_free(self) -> bool:
        """Whether the lease was free at the last look, so that the next attempt needn't wait."""
        return self._free_generation is not None

    def _overwritable(self, record: LeaseRecord | None) -> int | None:
        if record is None:
            return ABSENT
        if self.rival is None or self.rival.generation != record.generation:
            self.rival, self._seen_at = record, now()
        # Unchanged for longer than its duration: the lease has expired for its holder too.
        expired = now() - self._seen_at > record.duration_seconds * _CLOCK_RATE_MARGIN
        return record.generation if expired else None
