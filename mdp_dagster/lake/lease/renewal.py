"""The renewal of a lease while it is held: a thread renews it, and the end checks that it was held throughout."""

from __future__ import annotations

import logging
import threading
import time

from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.gcs import BucketError
from mdp_dagster.lake.lease.object import Claim, LeaseObject, now

log = logging.getLogger(__name__)

_RELEASE_ATTEMPTS = 3


class LeaseLost(LakeError):
    """Another process may have held the lease meanwhile, so the work under it may be incomplete."""


class LeaseRenewal:
    """Renews a lease in a thread from its creation until ``end``."""

    def __init__(self, claim: Claim, lease_object: LeaseObject) -> None:
        self._claim = claim
        self._object = lease_object
        self._busy = threading.Lock()
        self._ended = threading.Event()
        self._lost = ""
        threading.Thread(target=self._renew, name=f"lease {lease_object.address}", daemon=True).start()

    def check(self) -> None:
        """Makes no request.

        Raises:
            LeaseLost: another process may have taken the lease over.
        """
        if self._lost:
            raise self._lost_error(self._lost)
        if now() > self._claim.valid_until:
            raise self._lost_error("it couldn't be renewed in time")

    def end(self) -> None:
        """Release the lease.

        Raises:
            LeaseLost: another process may have held the lease meanwhile.
        """
        self._ended.set()
        with self._busy:  # a renewal may be in progress
            if self._lost:
                raise self._lost_error(self._lost)
            in_time = now() <= self._claim.valid_until
            if not self._released(in_time) and not in_time:
                raise self._lost_error("it couldn't be renewed in time")

    def _renew(self) -> None:
        pause = self._claim.duration_seconds / 3
        late = False
        while not self._ended.wait(pause):
            with self._busy:
                if self._ended.is_set():
                    return
                try:
                    if not self._claim.write(self._claim.generation):
                        self._lost = "another process has taken it over, or it was deleted"
                        log.error("%s", self._lost_error(self._lost))
                        return
                    pause = self._claim.duration_seconds / 3
                    if late:
                        late = False
                        log.info("%s is renewed again; no other process held it", self._object.address)
                except Exception as error:
                    pause = self._claim.duration_seconds / 15
                    if now() <= self._claim.valid_until:
                        log.warning("%s couldn't be renewed, will try again: %s", self._object.address, error)
                    elif not late:
                        late = True
                        log.error("%s", self._lost_error(f"it couldn't be renewed in time: {error}"))

    def _released(self, in_time: bool) -> bool:
        """Whether the lease was certainly released by this process. Raises ``LeaseLost``."""
        unsure = False
        for n in range(_RELEASE_ATTEMPTS):
            if n:
                time.sleep(min(1.0, self._claim.duration_seconds / 15))
            try:
                if self._object.remove(self._claim.generation):
                    return True
                if self._claim.confirm(self._object.read()):
                    continue  # the answer to a renewal was lost
            except BucketError as error:
                unsure = True
                log.warning("%s couldn't be released: %s", self._object.address, error)
                continue
            if unsure and in_time:
                return True  # an earlier attempt arrived: the lease had not expired, so no other process took it
            raise self._lost_error("another process has taken it over, or it was deleted")
        return False

    def _lost_error(self, why: str) -> LeaseLost:
        return LeaseLost(
            f"{self._object.address} was held by this process, but {why} → run this work again; "
            "another process may have worked at the same time"
        )
