"""The lease's rule over random histories: clocks that differ, requests that are lost or arrive late, holders that die
or stand still. The object is a dictionary; claims and candidates are the real ones."""

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
from mdp_dagster.lake.lease.object import Candidate, Claim, LeaseObject, Shown

DURATION = 60.0
RATES = [0.96, 1.0, 1.05]
"""How fast the machines' clocks are. Nobody knows."""


class Service:
    """Cloud Storage, one object of it, and the network before it."""

    address = "gs://bucket/_leases/it.json"

    def __init__(self) -> None:
        self.time = 0.0
        self.rate = 1.0
        self.shown: Shown | None = None
        self.fate = "done"
        self.delay = 0.0
        self.late: list[Callable[[], object]] = []
        self._generations = 0

    def now(self) -> float:
        return self.time * self.rate

    def look(self) -> Shown | None:
        self.time += self.delay
        if self.fate != "done":
            raise BucketError("lost", passing=True)
        shown = self.shown
        self.time += self.delay
        return shown

    def write(self, says: dict[str, str], generation: int) -> int | None:
        def arrive() -> int | None:
            if (self.shown.generation if self.shown else 0) != generation:
                return None
            self._generations += 1
            number, duration = int(says["number"]), float(says["duration_seconds"])
            self.shown = Shown(self._generations, says["token"], number, duration, says["holder"])
            return self._generations

        return self._send(arrive)

    def remove(self, generation: int) -> bool:
        def arrive() -> bool:
            if self.shown is None or self.shown.generation != generation:
                return False
            self.shown = None
            return True

        return self._send(arrive)

    def _send(self, arrive: Callable) -> object:  # type: ignore[type-arg]
        self.time += self.delay
        if self.fate == "late":
            self.late.append(arrive)
        if self.fate in ("late", "never arrived"):
            raise BucketError(self.fate, passing=True)
        answer = arrive()
        self.time += self.delay
        if self.fate == "answer lost":
            raise BucketError(self.fate, passing=True)
        return answer


@dataclass
class Process:
    rate: float
    candidate: Candidate | None = None
    claim: Claim | None = None
    overtaken: bool = False
    """Somebody else has held the lease since this process took it."""


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
    def time_passes(self, seconds: float) -> None:
        self.service.time += seconds

    @precondition(lambda self: self.service.late)
    @rule(which=st.integers(0, 20))
    def something_arrives_late(self, which: int) -> None:
        self.service.late.pop(which % len(self.service.late))()

    @rule(which=processes, fate=fates, delay=delays)
    def wants_it(self, which: int, fate: str, delay: float) -> None:
        process = self._begin(which, fate, delay)
        if process.claim:
            return
        process.candidate = process.candidate or Candidate(cast(LeaseObject, self.service), DURATION)
        try:
            while not process.candidate.step():
                if not process.candidate.may_write:
                    return
        except BucketError:
            return
        process.claim, process.candidate, process.overtaken = process.candidate.claim, None, False
        for other in self.processes:
            other.overtaken |= other is not process

    @rule(which=processes, fate=fates, delay=delays)
    def renews(self, which: int, fate: str, delay: float) -> None:
        process = self._begin(which, fate, delay)
        if process.claim:
            try:
                if process.claim.write(process.claim.generation):
                    assert not process.overtaken, "renewed what another has had"
                else:
                    process.claim = None
            except BucketError:
                pass

    @rule(which=processes, fate=fates, delay=delays)
    def gives_it_back(self, which: int, fate: str, delay: float) -> None:
        process = self._begin(which, fate, delay)
        if process.claim:
            try:
                if self.service.remove(process.claim.generation):
                    assert not process.overtaken, "gave back as its own what another has had"
            except BucketError:
                pass
            process.claim = None

    @rule(which=processes)
    def dies(self, which: int) -> None:
        self.processes[which] = Process(RATES[which])

    @invariant()
    def only_one_is_sure_to_have_it(self) -> None:
        sure = [p for p in self.processes if p.claim and self.service.time * p.rate <= p.claim.valid_until]
        assert len(sure) <= 1

    @invariant()
    def nobody_is_shut_out_for_good(self) -> None:
        """Whatever has happened: with the others silent, whoever asks for long enough gets it."""
        service, kept = self.service, (self.service.time, self.service.shown)
        service.rate, service.fate, service.delay = 1.0, "done", 0.0
        newcomer = Candidate(cast(LeaseObject, service), DURATION)
        for _ in range(5):
            if newcomer.step():
                break
            service.time += 0 if newcomer.may_write else DURATION * 1.2
        else:
            raise AssertionError("shut out")
        service.time, service.shown = kept


TestLease = Lease.TestCase
TestLease.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


# ---- what chance finds too seldom ------------------------------------------------------------------------------------


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(claim_module, "now", service.now)
    return service


def candidate(service: Service) -> Candidate:
    return Candidate(cast(LeaseObject, service), DURATION)


def test_a_lease_counts_from_before_its_request(service: Service) -> None:
    """Somebody else may have read it long before its holder had the answer."""
    holder, service.delay = candidate(service), 5.0
    assert holder.step() and service.time == 10.0
    assert holder.claim.valid_until == DURATION


def test_a_write_whose_answer_was_lost_counts_from_its_own_request(service: Service) -> None:
    holder, service.fate = candidate(service), "answer lost"
    with pytest.raises(BucketError):
        holder.step()
    service.time, service.fate = 40.0, "done"
    assert holder.step()
    assert holder.claim.valid_until == DURATION


def test_a_fast_clock_takes_nothing_from_a_slow_one(service: Service) -> None:
    holder, rival = candidate(service), candidate(service)
    assert holder.step()
    while not rival.step():
        service.time += 0.0 if rival.may_write else 0.1
        service.rate = max(RATES)
    assert service.time * min(RATES) > holder.claim.valid_until
    assert service.time < DURATION * 1.2, "nor waits for long"
