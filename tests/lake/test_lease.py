"""A lease admits one holder at a time: between threads, with lost answers, and with a holder without a network."""

from __future__ import annotations

import logging
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mdp_dagster.lake import LakeError
from mdp_dagster.lake.gcs import BucketLocation
from mdp_dagster.lake.lease import lease as lease_module
from mdp_dagster.lake.lease.lease import BucketLease, LeaseLost, LeaseTimeout
from mdp_dagster.lake.lease.object import Claim, LeaseObject
from tests.support.limits import HANG_SECONDS

from .places import Bucket

OBJECT = "_leases/build.json"


def lease(bucket: Bucket, timeout: float = HANG_SECONDS, duration: float = 60.0) -> BucketLease:
    return BucketLease(bucket.uri, bucket.storage_client, "build", timeout, duration)


def take_over_by_force(bucket: Bucket) -> None:
    """Take the lease from its holder, against the protocol."""
    rival_object = LeaseObject(BucketLocation(bucket.uri, bucket.storage_client), OBJECT, 5.0)
    while not (shown := rival_object.read()) or not Claim(rival_object, 60.0).write(shown.generation):
        pass


def wait_until(true: Any) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_lease_is_an_object_that_names_its_holder_while_it_is_held(bucket: Bucket) -> None:
    with lease(bucket).held():
        assert bucket.names() == [OBJECT]
        assert re.search(rb'"holder": "process \d+ on \S+, since 2\d{3}-\d\d-\d\dT', bucket.content(OBJECT))
        assert list(bucket.lake.files()) == [], "it is not a file of the lake"
    assert bucket.names() == []


def test_an_uncontested_lease_takes_two_requests(bucket: Bucket) -> None:
    with lease(bucket, duration=60).held():
        pass
    assert len(bucket.faults.requests()) == 2


def test_a_released_lease_is_free_at_once(bucket: Bucket) -> None:
    one, other = lease(bucket), lease(bucket)
    for held in (one, other, one):
        with held.held():
            held.check()
    with pytest.raises(ZeroDivisionError), one.held():
        raise ZeroDivisionError
    assert bucket.names() == []
    with BucketLease(bucket.uri, bucket.storage_client, "another", 0).held(), one.held():
        assert bucket.names() == ["_leases/another.json", OBJECT]


@pytest.mark.parametrize("shared", [True, False], ids=["one lease", "a lease each"])
def test_threads_take_turns(bucket: Bucket, shared: bool) -> None:
    one = lease(bucket, duration=10)
    inside, most, turns = 0, 0, 0

    def work(_: int) -> None:
        nonlocal inside, most, turns
        with (one if shared else lease(bucket, duration=10)).held():
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1
            turns += 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert (most, turns) == (1, 8)


def test_a_lease_is_reentrant_within_a_thread(bucket: Bucket) -> None:
    one, impatient = lease(bucket), lease(bucket, timeout=0)
    with one.held():
        with one.held(), one.held():
            pass
        with pytest.raises(LeaseTimeout):
            impatient.held().__enter__()
    with impatient.held():
        pass


def test_a_timeout_names_the_holder(bucket: Bucket) -> None:
    with lease(bucket, duration=5).held(), pytest.raises(LeaseTimeout) as error:
        lease(bucket, timeout=0.3, duration=5).held().__enter__()
    assert re.fullmatch(
        rf"{bucket.uri}/{OBJECT} is held by process \d+ on \S+, since \S+; waited 0.3 s → end that process, or raise "
        r"MDP_LOCK_TIMEOUT_SECONDS; the lease of a dead process expires after 5 s",
        str(error.value),
    )


def test_a_timeout_within_a_process_names_the_other_thread(bucket: Bucket) -> None:
    one = lease(bucket, timeout=0.1)
    error_message = pytest.raises(LeaseTimeout, match="is held by another thread of this process; waited 0.1 s")
    with one.held(), ThreadPoolExecutor(1) as pool, error_message:
        pool.submit(one.held().__enter__).result()


def test_a_waiting_process_logs_the_holder(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease_module, "_LOG_INTERVAL_SECONDS", 0.02)
    with caplog.at_level(logging.INFO), lease(bucket).held(), pytest.raises(LeaseTimeout):
        lease(bucket, timeout=2, duration=1).held().__enter__()
    said = [record.message for record in caplog.records if "waiting for" in record.message]
    assert len(said) > 1
    assert re.match(rf"waiting for {bucket.uri}/{OBJECT}: it is held by process \d+ on ", said[0])


# ---- lost answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"lose": True}, {"status": 503}, {"status": 429, "times": 2}], ids=str)
@pytest.mark.parametrize("when", ["acquire", "renew", "release"])
def test_a_lost_answer_does_not_lose_the_lease(bucket: Bucket, when: str, fault: dict[str, int]) -> None:
    one = lease(bucket, duration=4.5 if when == "renew" else 60)
    if when == "acquire":
        bucket.faults.next("_leases", method="POST", **fault)
    with one.held():
        if when == "renew":
            bucket.faults.next("_leases", method="POST", **fault)
            wait_until(lambda: len(bucket.faults.requests()) > 1 + fault.get("times", 1))
        elif when == "release":
            bucket.faults.next("_leases", method="DELETE", **fault)
        one.check()
    assert bucket.names() == []


def test_an_outage_without_a_rival_does_no_harm(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    """The log warns at once that the lease may be lost. At the end it turns out that it wasn't."""
    one = lease(bucket, duration=2)
    with one.held():
        bucket.faults.next("_leases", status=503, times=1000)
        wait_until(lambda: "couldn't be renewed in time" in caplog.text)
        with pytest.raises(LeaseLost, match="couldn't be renewed in time → run this work again"):
            one.check()
        bucket.faults.clear()
    assert bucket.names() == []
    assert [r.levelname for r in caplog.records if "in time" in r.message] == ["ERROR"], "logged once"


def test_an_outage_until_the_end_raises_lease_lost(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LeaseLost, match="couldn't be renewed in time"), lease(bucket, duration=2).held():
        bucket.faults.next("_leases", status=503, times=1000)
        wait_until(lambda: "couldn't be renewed in time" in caplog.text)


def test_after_a_short_outage_at_the_end_the_lease_expires(bucket: Bucket) -> None:
    with lease(bucket, duration=2).held():
        bucket.faults.next("_leases", method="DELETE", status=503, times=1000)
    assert bucket.names() == [OBJECT]
    bucket.faults.clear()
    with lease(bucket).held():
        pass


def test_a_timeout_reports_an_unreachable_bucket(bucket: Bucket) -> None:
    bucket.faults.next("_leases", status=503, message="Backend Error", times=1000)
    with pytest.raises(LakeError, match=rf"{OBJECT} can't be used: 503 Backend Error → try again"):
        lease(bucket, timeout=0.3).held().__enter__()


# ---- a lost lease ----------------------------------------------------------------------------------------------------


def test_a_takeover_is_reported_at_once_and_at_the_end(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    one = lease(bucket, duration=2)
    lost = pytest.raises(LeaseLost, match="another process has taken it over, or it was deleted → run this work again")
    with lost, one.held():
        take_over_by_force(bucket)
        wait_until(lambda: any(record.levelname == "ERROR" for record in caplog.records))
        assert f"{bucket.uri}/{OBJECT} was held by this process, but another process has taken it" in caplog.text
        with pytest.raises(LeaseLost):
            one.check()
    assert bucket.names() == [OBJECT], "the lease of the other process remains"


@pytest.mark.parametrize("how", ["taken over", "deleted"])
def test_a_loss_is_found_at_the_end_without_a_renewal(bucket: Bucket, how: str) -> None:
    with pytest.raises(LeaseLost), lease(bucket, duration=60).held():
        if how == "taken over":
            take_over_by_force(bucket)
        else:
            bucket.storage_client().bucket(bucket.name).blob(f"{bucket.PREFIX}/{OBJECT}").delete()


def test_an_error_of_the_work_takes_precedence_over_the_loss(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError), lease(bucket, duration=60).held():
        take_over_by_force(bucket)
        raise ZeroDivisionError
    assert "another process has taken it over" in caplog.text


def test_no_thread_remains(bucket: Bucket) -> None:
    before = threading.active_count()
    for _ in range(3):
        with lease(bucket, duration=60).held():
            assert threading.active_count() == before + 1
    wait_until(lambda: threading.active_count() == before)


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_a_missing_permission_and_a_missing_bucket_are_reported_at_once(bucket: Bucket) -> None:
    bucket.faults.next("_leases", status=403, message="no storage.objects.create")
    with pytest.raises(LakeError, match=r"403 no storage.objects.create → give .* roles/storage.objectUser"):
        lease(bucket).held().__enter__()
    with pytest.raises(LakeError, match="404 .* → create the bucket gs://no-such-bucket"):
        BucketLease("gs://no-such-bucket", bucket.storage_client, "build", HANG_SECONDS).held().__enter__()


def test_an_object_that_is_not_a_lease_is_not_changed(bucket: Bucket) -> None:
    bucket.put(OBJECT, b"my notes")
    with pytest.raises(
        LakeError, match=rf"{OBJECT} can.t be used: the object is not a lease of MDP → delete that object"
    ):
        lease(bucket).held().__enter__()
    assert bucket.content(OBJECT) == b"my notes"


def test_leases_need_a_bucket() -> None:
    with pytest.raises(LakeError, match="/a/folder can't have leases: .* → set MDP_LAKE_URI to gs://"):
        BucketLease("/a/folder", None, "build", 1)
