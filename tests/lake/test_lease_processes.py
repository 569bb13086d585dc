"""A lease between real processes. Some are killed, and some are paused."""

from __future__ import annotations

import logging
import os
import signal
import time
from functools import partial
from multiprocessing.connection import Connection

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from mdp_dagster.lake.lease.lease import BucketLease, LeaseLost, LeaseTimeout
from tests.support.emulators.google_cloud import GoogleCloud
from tests.support.limits import HANG_SECONDS
from tests.support.processes import answer, process

from .places import Bucket


def client(endpoint: str) -> storage.Client:
    return storage.Client(project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})


def lease(uri: str, endpoint: str, duration: float) -> BucketLease:
    return BucketLease(uri, partial(client, endpoint), "build", HANG_SECONDS, duration)


def _count(uri: str, endpoint: str, times: int, pipe: Connection) -> None:
    """Increment a number in the bucket with a read and a later write, which is only safe for one process."""
    objects = client(endpoint).bucket(uri.removeprefix("gs://").split("/")[0])
    one = lease(uri, endpoint, 5.0)
    pipe.recv()
    for _ in range(times):
        with one.held():
            found = int(objects.blob("number").download_as_bytes())
            time.sleep(0.01)
            objects.blob("number").upload_from_string(str(found + 1))
    pipe.send("done")


def test_processes_take_turns(bucket: Bucket, google_cloud: GoogleCloud) -> None:
    objects = bucket.storage_client().bucket(bucket.name)
    objects.blob("number").upload_from_string("0")
    counting = partial(process, _count, bucket.uri, google_cloud.storage_url, 5)
    with counting() as (_, one), counting() as (_, two), counting() as (_, three):
        for pipe in (one, two, three):
            pipe.send("go")
        assert [answer(pipe) for pipe in (one, two, three)] == ["done"] * 3
    assert objects.blob("number").download_as_bytes() == b"15"


def _hold(uri: str, endpoint: str, duration: float, pipe: Connection) -> None:
    one = lease(uri, endpoint, duration)
    try:
        with one.held():
            pipe.send("held")
            pipe.recv()
            one.check()
    except LeaseLost as error:
        pipe.send(f"lost: {error}")
    else:
        pipe.send("kept")


def test_long_work_keeps_the_lease(bucket: Bucket, google_cloud: GoogleCloud) -> None:
    with process(_hold, bucket.uri, google_cloud.storage_url, 5) as (_, pipe):
        assert answer(pipe) == "held"
        impatient = BucketLease(bucket.uri, bucket.storage_client, "build", 11, 5)
        with pytest.raises(LeaseTimeout, match=r"is held by process \d+ on "):
            impatient.held().__enter__()
        pipe.send("end")
        assert answer(pipe) == "kept"


def test_the_lease_of_a_killed_process_is_taken_over_after_it_expires(
    bucket: Bucket, google_cloud: GoogleCloud, caplog: pytest.LogCaptureFixture
) -> None:
    with process(_hold, bucket.uri, google_cloud.storage_url, 1.5) as (holder, pipe):
        assert answer(pipe) == "held"
        holder.kill()
        holder.join()
        killed = time.monotonic()
        with caplog.at_level(logging.WARNING), lease(bucket.uri, google_cloud.storage_url, HANG_SECONDS).held():
            assert time.monotonic() - killed > 1.5, "by its duration, not by ours"
    assert f"taken over from process {holder.pid} on " in caplog.text


def test_a_paused_holder_notices_a_takeover(bucket: Bucket, google_cloud: GoogleCloud) -> None:
    with process(_hold, bucket.uri, google_cloud.storage_url, 1.5) as (holder, pipe):
        assert answer(pipe) == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        pipe.send("end")
        with lease(bucket.uri, google_cloud.storage_url, HANG_SECONDS).held():
            os.kill(holder.pid, signal.SIGCONT)
            assert answer(pipe).startswith(f"lost: {bucket.uri}/_leases/build.json was held by this process, but ")
            holder.join()
        # It did not disturb its successor, which would have raised an error.


def _pause_while_holding(uri: str, endpoint: str, duration: float, pipe: Connection) -> None:
    with lease(uri, endpoint, duration).held():
        pipe.send("held")
        pipe.recv()
    pipe.send("kept")


def test_a_paused_holder_without_a_rival_keeps_its_lease(bucket: Bucket, google_cloud: GoogleCloud) -> None:
    """For example a machine that slept while no other process was waiting."""
    with process(_pause_while_holding, bucket.uri, google_cloud.storage_url, 0.5) as (holder, pipe):
        assert answer(pipe) == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        time.sleep(0.8)
        os.kill(holder.pid, signal.SIGCONT)
        pipe.send("end")
        assert answer(pipe) == "kept"
