"""One process at a time, on whichever machine: a lease on an object of the lake's bucket.

Whoever holds it renews it every third of its duration. Whoever waits takes it over after having seen the object
unchanged for longer than that duration, by its own clock: no two machines' clocks are compared. The holder counts from
before its write was sent, who waits from after having read it, so the holder knows first.

A process that stands still for long (a stopped process, a sleeping machine) can lose the lease in the middle of its
work. It learns that at the end of ``held()`` at the latest, by the object's generation.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.gcs import BucketError, BucketPlace
from mdp_dagster.lake.lease.object import Candidate, Claim, LeaseObject, now
from mdp_dagster.lake.lease.renewal import LeaseLost, Tenure

if TYPE_CHECKING:
    from google.cloud import storage

__all__ = ["BucketLease", "LeaseLost", "LeaseTimeout"]

log = logging.getLogger(__name__)

_SAY_AFTER_SECONDS = 15.0


class LeaseTimeout(LakeError):
    """Another process held the lease for too long."""


class BucketLease:
    """Exclusive between processes, machines and threads; reentrant within a thread."""

    def __init__(
        self,
        uri: str,
        storage_client: Callable[[], storage.Client] | None,
        name: str,
        timeout_seconds: float,
        duration_seconds: float = 60.0,
    ) -> None:
        """``uri``: the lake's. ``timeout_seconds``: for how long ``held`` waits. ``duration_seconds``: after how long a
        dead holder's lease is taken over. Raises ``LakeError`` for an address that is no bucket's."""
        try:
            place = BucketPlace(uri, storage_client)
        except ValueError as error:
            raise LakeError(f"{uri} can't have leases: {error} → set MDP_LAKE_URI to gs://bucket/prefix") from error
        self._object = LeaseObject(place, f"_leases/{name}.json", min(10.0, max(2.0, duration_seconds / 6)))
        self._timeout = timeout_seconds
        self._duration = duration_seconds
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._tenure: Tenure | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises ``LeaseTimeout`` that names the holder, ``LakeError`` where the bucket can't be used, and at the end
        ``LeaseLost`` if another process may have held the lease meanwhile. An error of the work itself goes first."""
        if not self._thread_lock.acquire(timeout=min(self._timeout, threading.TIMEOUT_MAX)):
            raise self._timed_out("another thread of this process")
        try:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._tenure = Tenure(self._acquire(), self._object)
                yield
            except BaseException:
                self._leave(quietly=True)
                raise
            self._leave(quietly=False)
        finally:
            self._thread_lock.release()

    def check(self) -> None:
        """Within ``held``: raises ``LeaseLost`` unless nobody else can have taken the lease until now. Makes no
        request; for the moment before something that can't be taken back."""
        if self._tenure:
            self._tenure.check()

    def _leave(self, quietly: bool) -> None:
        self._depth -= 1
        if self._depth or not self._tenure:
            return
        tenure, self._tenure = self._tenure, None
        try:
            tenure.end()
        except LeaseLost as error:
            if not quietly:
                raise
            log.error("%s", error)

    def _acquire(self) -> Claim:
        candidate = Candidate(self._object, self._duration)
        started = said = now()
        while True:
            trouble: BucketError | None = None
            try:
                if candidate.step():
                    return candidate.claim
                if candidate.may_write:
                    continue
            except BucketError as error:
                if not error.passing:
                    raise self._unusable(error) from error
                trouble = error
            holder = candidate.rival.holder if candidate.rival else "somebody unknown"
            if now() - started > self._timeout:
                raise self._unusable(trouble) if trouble else self._timed_out(holder)
            if now() - said > _SAY_AFTER_SECONDS:
                said = now()
                log.info("waiting for %s: %s", self._object.address, trouble or f"it is held by {holder}")
            time.sleep(min(2.0, self._duration / 15) * random.uniform(0.5, 1.5))

    def _unusable(self, error: BucketError) -> LakeError:
        return LakeError(f"{self._object.address} can't be used: {error} → {error.remedy}")

    def _timed_out(self, holder: str) -> LeaseTimeout:
        return LeaseTimeout(
            f"{self._object.address} is held by {holder}; waited {self._timeout:g} s → end that process, or raise "
            f"MDP_LOCK_TIMEOUT_SECONDS; what a dead process held is free {self._duration:g} s later"
        )
