"""The lease protocol in random histories: different clocks, lost and late requests, holders that die or pause.

The object is simulated. Claims and candidates are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mdp_dagster.lake.gcs import BucketError
from mdp_dagster.lake.lease import object as claim_module
from mdp_dagster.lake.lease.object import Candidate, Claim, LeaseObject, LeaseRecord

DURATION = 60.0
RATES = [0.96, 1.0, 1.05]
"""How fast the machines' clocks run. The processes can't see this."""


class Service:
    """One object in Cloud Storage, behind an unreliable network."""

    address = "gs://bucket/_leases/it.json"

    def __init__(self) -> None:
        self.time = 0.0
        self.rate = 1.0
        self.record: LeaseRecord | None = None
        self.fate = "done"
        self.delay = 0.0
        self.late: list[Callable[[], object]] = []
        self._generations = 0

    def now(self) -> float:
        return self.time * self.rate

    def read(self) -> LeaseRecord | None:
        self.time += self.delay
        if self.fate != "done":
            raise BucketError("lost", transient=True)
        record = self.record
        self.time += self.delay
        return record

    def write(self, values: dict[str, str], generation: int) -> int | None:
        def arrive() -> int | None:
            if (self.record.generation if self.record else 0) != generation:
                return None
            self._generations += 1
            number, duration = int(values["number"]), float(values["duration_seconds"])
            self.record = LeaseRecord(self._generations, values["token"], number, duration, values["holder"])
            return self._generations

        return self._send(arrive)

    def remove(self, generation: int) -> bool:
        def arrive() -> bool:
            if self.record is None or self.record.generation != generation:
                return False
            self.record = None
            return True

        return self._send(arrive)

    def _send(self, arrive: Callable) -> object:  # type: ignore[type-arg]
        self.time += self.delay
        if self.fate == "late":
            self.late.append(arrive)
        if self.fate in ("late", "never arrived"):
            raise BucketError(self.fate, transient=True)
        answer = arrive()
        self.time += self.delay
        if self.fate == "answer lost":
            raise BucketError(self.fate, transient=True)
        return answer


@dataclass
class Process:
    rate: float
    candidate: Candidate | None = None
    claim: Claim | None = None
    overtaken: bool = False
    """Another process has held the lease since this one acquired it."""


processes = st.integers(0, len(RATES) - 1)
fates = st.sampled_from(["done"] * 6 + ["answer lost", "never arrived", "late"])
delays = st.sampled_from([0.0] * 6 + [0.1, 5.0, 70.0])


class Lease(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.service = Service()
        self.processes = [Process(rate) for rate in RATES]
        self._clock = patch.object(claim_module, "now", self.service.now)
        self._clock.start()

    def teardown(self) -> None:
        self._clock.stop()

    def _begin(self, which: int, fate: str, delay: float) -> Process:
        process = self.processes[which]
        self.service.rate, self.service.fate, self.service.delay = process.rate, fate, delay
        return process

    @rule(seconds=st.sampled_from([1.0, 19.0, 20.0, 40.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        self.service.time += seconds

    @precondition(lambda self: self.service.late)
    @rule(which=st.integers(0, 20))
    def deliver_late_request(self, which: int) -> None:
        self.service.late.pop(which % len(self.service.late))()

    @rule(which=processes, fate=fates, delay=delays)
    def acquire(self, which: int, fate: str, delay: float) -> None:
        process = self._begin(which, fate, delay)
        if process.claim:
            return
        process.candidate = process.candidate or Candidate(cast(LeaseObject, self.service), DURATION)
        try:
            while not process.candidate.try_to_acquire():
                if not process.candidate.lease_is_free:
                    return
        except BucketError:
            return
        process.claim, process.candidate, process.overtaken = process.candidate.claim, None, False
        for other in self.processes:
            other.overtaken |= other is not process

    @rule(which=processes, fate=fates, delay=delays)
    def renew(self, which: int, fate: str, delay: float) -> None:
        process = self._begin(which, fate, delay)
        if process.claim:
            try:
                if process.claim.write(process.claim.generation):
                    assert not process.overtaken, "renewed a lease that another process has held since"
                else:
                    process.claim = None
            except BucketError:
                pass

    @rule(which=processes, fate=fates, delay=delays)
    def release(self, which: int, fate: str, delay: float) -> None:
        process = self._begin(which, fate, delay)
        if process.claim:
            try:
                if self.service.remove(process.claim.generation):
                    assert not process.overtaken, "released a lease that another process has held since"
            except BucketError:
                pass
            process.claim = None

    @rule(which=processes)
    def die(self, which: int) -> None:
        self.processes[which] = Process(RATES[which])

    @invariant()
    def at_most_one_process_holds_a_valid_claim(self) -> None:
        sure = [p for p in self.processes if p.claim and self.service.time * p.rate <= p.claim.valid_until]
        assert len(sure) <= 1

    @invariant()
    def a_new_process_gets_the_lease_in_the_end(self) -> None:
        """After any history, if all others are silent, a new process gets the lease."""
        service, saved = self.service, (self.service.time, self.service.record)
        service.rate, service.fate, service.delay = 1.0, "done", 0.0
        newcomer = Candidate(cast(LeaseObject, service), DURATION)
        for _ in range(5):
            if newcomer.try_to_acquire():
                break
            service.time += 0 if newcomer.lease_is_free else DURATION * 1.2
        else:
            raise AssertionError("the new process did not get the lease")
        service.time, service.record = saved


TestLease = Lease.TestCase
TestLease.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


# ---- rare cases ------------------------------------------------------------------------------------------------------


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(claim_module, "now", service.now)
    return service


def candidate(service: Service) -> Candidate:
    return Candidate(cast(LeaseObject, service), DURATION)


def test_a_lease_lasts_from_before_its_request(service: Service) -> None:
    """Another process may have read it long before the holder received the answer."""
    holder, service.delay = candidate(service), 5.0
    assert holder.try_to_acquire() and service.time == 10.0
    assert holder.claim.valid_until == DURATION


def test_a_write_with_a_lost_answer_lasts_from_its_own_request(service: Service) -> None:
    holder, service.fate = candidate(service), "answer lost"
    with pytest.raises(BucketError):
        holder.try_to_acquire()
    service.time, service.fate = 40.0, "done"
    assert holder.try_to_acquire()
    assert holder.claim.valid_until == DURATION


def test_a_process_with_a_fast_clock_does_not_take_over_too_early(service: Service) -> None:
    holder, rival = candidate(service), candidate(service)
    assert holder.try_to_acquire()
    while not rival.try_to_acquire():
        service.time += 0.0 if rival.lease_is_free else 0.1
        service.rate = max(RATES)
    assert service.time * min(RATES) > holder.claim.valid_until
    assert service.time < DURATION * 1.2, "and it does not wait much longer than needed"
