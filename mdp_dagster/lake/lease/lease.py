"""A lease on an object of the lake's bucket: one process at a time, on any machine.

The holder renews the lease three times per duration. A waiting process takes it over after it has seen the object
unchanged for longer than the duration, by its own clock: MDP never compares the clocks of two machines. The holder
counts from before it sends a write, and a waiting process from after it reads the object, so the lease expires for the
holder first.

A paused process (a stopped process, a sleeping machine) can lose the lease in the middle of its work. It notices at
the end of ``held()`` at the latest, by the object's generation.
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
from mdp_dagster.lake.gcs import BucketError, BucketLocation
from mdp_dagster.lake.lease.object import Candidate, Claim, LeaseObject, now
from mdp_dagster.lake.lease.renewal import LeaseLost, LeaseRenewal

if TYPE_CHECKING:
    from google.cloud import storage

__all__ = ["BucketLease", "LeaseLost", "LeaseTimeout"]

log = logging.getLogger(__name__)

_LOG_INTERVAL_SECONDS = 15.0


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
        setting: str = "MDP_LAKE_URI",
    ) -> None:
        """Makes no request.

        Args:
            uri: The lake's address.
            storage_client: Makes the client, as in ``Lake``.
            name: Names the lease, and its object below ``_leases/``.
            timeout_seconds: How long ``held`` waits for the lease.
            duration_seconds: How long the lease of a dead process stays in force.
            setting: The variable that holds the address, for messages.

        Raises:
            LakeError: the address does not name a bucket.
        """
        try:
            location = BucketLocation(uri, storage_client, setting)
        except ValueError as error:
            raise LakeError(f"{uri} can't have leases: {error} → set {setting} to gs://bucket/prefix") from error
        self._object = LeaseObject(location, f"_leases/{name}.json", min(10.0, max(2.0, duration_seconds / 6)))
        self._timeout = timeout_seconds
        self._duration = duration_seconds
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._renewal: LeaseRenewal | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease inside the ``with`` block.

        Raises:
            LeaseTimeout: another process kept the lease for too long. The message names that process.
            LeaseLost: at the end of the block, if another process may have held the lease meanwhile. An error of the
                block itself takes precedence.
            LakeError: the bucket can't be used.
        """
        if not self._thread_lock.acquire(timeout=min(self._timeout, threading.TIMEOUT_MAX)):
            raise self._timed_out("another thread of this process")
        try:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._renewal = LeaseRenewal(self._acquire(), self._object)
                yield
            except BaseException:
                self._leave(raise_loss=False)
                raise
            self._leave(raise_loss=True)
        finally:
            self._thread_lock.release()

    def check(self) -> None:
        """Call this inside ``held``, before an action that can't be undone. Makes no request.

        Raises:
            LeaseLost: another process may have taken the lease over.
        """
        if self._renewal:
            self._renewal.check()

    def _leave(self, raise_loss: bool) -> None:
        self._depth -= 1
        if self._depth or not self._renewal:
            return
        renewal, self._renewal = self._renewal, None
        try:
            renewal.end()
        except LeaseLost as error:
            if raise_loss:
                raise
            log.error("%s", error)

    def _acquire(self) -> Claim:
        candidate = Candidate(self._object, self._duration)
        started = last_logged = now()
        while True:
            transient_error: BucketError | None = None
            try:
                if candidate.try_to_acquire():
                    return candidate.claim
                if candidate.lease_is_free:
                    continue
            except BucketError as error:
                if not error.transient:
                    raise self._unusable(error) from error
                transient_error = error
            holder = candidate.rival.holder if candidate.rival else "an unknown process"
            if now() - started > self._timeout:
                raise self._unusable(transient_error) if transient_error else self._timed_out(holder)
            if now() - last_logged > _LOG_INTERVAL_SECONDS:
                last_logged = now()
                log.info("waiting for %s: %s", self._object.address, transient_error or f"it is held by {holder}")
            time.sleep(min(2.0, self._duration / 15) * random.uniform(0.5, 1.5))

    def _unusable(self, error: BucketError) -> LakeError:
        return LakeError(f"{self._object.address} can't be used: {error} → {error.remedy}")

    def _timed_out(self, holder: str) -> LeaseTimeout:
        return LeaseTimeout(
            f"{self._object.address} is held by {holder}; waited {self._timeout:g} s → end that process, or raise "
            f"MDP_LOCK_TIMEOUT_SECONDS; the lease of a dead process expires after {self._duration:g} s"
        )
