"""The time in which a lease is held: a thread renews it, and its end tells whether it was held throughout."""

from __future__ import annotations

import logging
import threading
import time

from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.gcs import BucketError
from mdp_dagster.lake.lease.object import Claim, LeaseObject, now

log = logging.getLogger(__name__)

_TRIES_TO_GIVE_BACK = 3


class LeaseLost(LakeError):
    """Somebody else may have held the lease meanwhile: what was done under it isn't known to be whole."""


class Tenure:
    def __init__(self, claim: Claim, lease_object: LeaseObject) -> None:
        self._claim = claim
        self._object = lease_object
        self._busy = threading.Lock()
        self._ended = threading.Event()
        self._lost = ""
        threading.Thread(target=self._renew, name=f"lease {lease_object.address}", daemon=True).start()

    def check(self) -> None:
        """Raises ``LeaseLost`` unless nobody else can have taken the lease until now. Makes no request."""
        if self._lost:
            raise self._loss(self._lost)
        if now() > self._claim.valid_until:
            raise self._loss("it couldn't be renewed in time")

    def end(self) -> None:
        """Give the lease back. Raises ``LeaseLost`` if it isn't certain that nobody else has held it meanwhile."""
        self._ended.set()
        with self._busy:  # a renewal may be on its way
            if self._lost:
                raise self._loss(self._lost)
            in_time = now() <= self._claim.valid_until
            if not self._given_back(in_time) and not in_time:
                raise self._loss("it couldn't be renewed in time")

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
                        log.error("%s", self._loss(self._lost))
                        return
                    pause = self._claim.duration_seconds / 3
                    if late:
                        late = False
                        log.info("%s is renewed again, and nobody else had it", self._object.address)
                except Exception as error:
                    pause = self._claim.duration_seconds / 15
                    if now() <= self._claim.valid_until:
                        log.warning("%s couldn't be renewed, trying again: %s", self._object.address, error)
                    elif not late:
                        late = True
                        log.error("%s", self._loss(f"it couldn't be renewed in time: {error}"))

    def _given_back(self, in_time: bool) -> bool:
        """False where that isn't known. Raises ``LeaseLost``."""
        unsure = False
        for n in range(_TRIES_TO_GIVE_BACK):
            if n:
                time.sleep(min(1.0, self._claim.duration_seconds / 15))
            try:
                if self._object.remove(self._claim.generation):
                    return True
                if self._claim.recognise(self._object.look()):
                    continue  # a renewal whose answer was lost
            except BucketError as error:
                unsure = True
                log.warning("%s couldn't be given back: %s", self._object.address, error)
                continue
            if unsure and in_time:
                return True  # an earlier try arrived: nobody else could take it away so soon
            raise self._loss("another process has taken it over, or it was deleted")
        return False

    def _loss(self, why: str) -> LeaseLost:
        return LeaseLost(
            f"{self._object.address} was held by this process, and {why} → run this work again; "
            "it may have run side by side with another process's"
        )
