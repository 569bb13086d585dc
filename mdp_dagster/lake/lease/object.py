"""One holder's claim to a lease: the object that shows it, written under preconditions.

An object's generation changes with every write. Whoever writes names the generation that it takes the object to have:
of two writers one gets its way, and the other learns it. A write whose answer was lost is found again by its token.
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

from mdp_dagster.lake.gcs import BucketError, BucketPlace

log = logging.getLogger(__name__)

ABSENT = 0
"""The generation of an object that isn't there."""
_CLOCKS_DIFFER = 1.1  # how much faster one machine's seconds may pass than another's, amply


def now() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Shown:
    """What the object says. ``number``: the holder's count of its own writes."""

    generation: int
    token: str
    number: int
    duration_seconds: float
    holder: str


class LeaseObject:
    """The object. Each method is one request, tried once. All raise ``BucketError``."""

    def __init__(self, place: BucketPlace, path: str, request_seconds: float) -> None:
        self.address = f"{place.uri}/{path}"
        self._place = place
        self._path = path
        self._timeout = request_seconds

    def look(self) -> Shown | None:
        with self._place.explained():
            blob = self._place.bucket().get_blob(self._place.name(self._path), timeout=self._timeout, retry=None)
        if blob is None:
            return None
        says = blob.metadata or {}
        try:
            duration = float(says["duration_seconds"])
            return Shown(blob.generation, says["token"], int(says["number"]), duration, says["holder"])
        except (KeyError, ValueError):
            raise BucketError("it is no lease of MDP", "delete that object") from None

    def write(self, says: dict[str, str], generation: int) -> int | None:
        """The new generation; None where the object has another than ``generation``."""
        try:
            with self._place.explained():
                blob = self._place.blob(self._path)
                blob.metadata = says  # read in one request with the generation
                blob.upload_from_string(
                    json.dumps(says, indent=1),  # for people
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
        """False where the object has another generation, or is gone."""
        try:
            with self._place.explained():
                self._place.blob(self._path).delete(if_generation_match=generation, timeout=self._timeout, retry=None)
            return True
        except BucketError as error:
            if error.status in (404, 412):
                return False
            raise


class Claim:
    """Not shared by threads without a lock.

    ``generation``: the object's after the newest write that is known to have arrived. ``valid_until``: until then, by
    ``now()``, nobody else takes the object over.
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
        """Take, renew or take over the object where it has ``generation``. False where it has another. Raises
        ``BucketError``; the write may have arrived then."""
        number = len(self._sent_at)
        # Valid from before the request: whoever waits counts from a moment after the object was written.
        self._sent_at.append(now())
        says = {
            "holder": self._holder,
            "token": self._token,
            "number": str(number),
            "duration_seconds": str(self.duration_seconds),
        }
        written = self._object.write(says, generation)
        if written is None:
            return self.recognise(self._object.look())
        self._note(written, number)
        return True

    def recognise(self, shown: Shown | None) -> bool:
        """Whether the object shows this claim: an earlier write arrived, and only its answer was lost."""
        if shown is None or shown.token != self._token:
            return False
        self._note(shown.generation, shown.number)
        return True

    def _note(self, generation: int, number: int) -> None:
        self.generation = generation
        self.valid_until = self._sent_at[number] + self.duration_seconds


class Candidate:
    """Somebody who wants the lease.

    ``claim``: what is held once ``step`` has said so. ``rival``: who was seen to hold the lease last.
    """

    def __init__(self, lease_object: LeaseObject, duration_seconds: float) -> None:
        self.claim = Claim(lease_object, duration_seconds)
        self.rival: Shown | None = None
        self._object = lease_object
        self._seen_at = 0.0
        self._free: int | None = ABSENT  # the generation that may be written over

    def step(self) -> bool:
        """Take the lease, as far as is known without asking that it is free; then look. Raises ``BucketError``."""
        if self._free is not None and self.claim.write(self._free):
            if self._free != ABSENT and self.rival:
                log.warning("%s: taken over from %s: no sign of life", self._object.address, self.rival.holder)
            return True
        shown = self._object.look()
        if self.claim.recognise(shown):
            return True
        self._free = self._free_at(shown)
        return False

    @property
    def may_write(self) -> bool:
        """There is no reason to wait before the next step."""
        return self._free is not None

    def _free_at(self, shown: Shown | None) -> int | None:
        if shown is None:
            return ABSENT
        if self.rival is None or self.rival.generation != shown.generation:
            self.rival, self._seen_at = shown, now()
        # Unchanged for longer than its duration, its holder has known for a while to have lost it.
        expired = now() - self._seen_at > shown.duration_seconds * _CLOCKS_DIFFER
        return shown.generation if expired else None
