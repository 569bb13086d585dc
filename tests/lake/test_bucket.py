"""A lake in a bucket: every operation takes effect once, after any network fault, and errors give a remedy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pyarrow as pa
import pytest
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError
from google.cloud import storage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdp_dagster.lake import Lake, LakeError, gcs
from tests.support.emulators.google_cloud import GoogleCloud
from tests.support.emulators.processes import free_port

from .places import Bucket
from .rows import METADATA, ROWS, same_rows

BIG = pa.table({"id": [os.urandom(16).hex() for _ in range(600_000)]})
"""Big enough to need several upload requests."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between retries. The library still decides which requests it retries."""
    monkeypatch.setattr(gcs, "DEFAULT_RETRY", gcs.DEFAULT_RETRY.with_delay(initial=0.02, maximum=0.1))


def error_message(error: pytest.ExceptionInfo[LakeError]) -> str:
    """The message. Checks that it is safe to log: without an upload's address or a chained exception."""
    text = str(error.value)
    assert "http" not in text and "upload_id" not in text and " → " in text, text
    cause: BaseException | None = error.value
    while cause:
        assert isinstance(cause, (LakeError, gcs.BucketError)), cause
        cause = None if cause.__suppress_context__ and not cause.__cause__ else cause.__cause__ or cause.__context__
    return text


# ---- one bucket, one client ------------------------------------------------------------------------------------------


def test_an_address_is_checked_without_a_client() -> None:
    def no_client() -> storage.Client:
        raise AssertionError("asked for")

    assert Lake("gs://a-bucket/a/prefix/", no_client).uri == "gs://a-bucket/a/prefix"
    assert Lake("gs://a-bucket", no_client).uri == Lake("gs://a-bucket/", no_client).uri == "gs://a-bucket"


@pytest.mark.parametrize("prefix", ["", "/", "/lake", "/with spaces/and ümläuts/50%25", "/dots.and-such_"])
def test_a_lake_can_use_any_prefix_of_a_bucket(bucket: Bucket, prefix: str) -> None:
    """Addresses have the form that BigQuery and gcloud accept: without escapes."""
    clients = []

    def client() -> storage.Client:
        clients.append(bucket.storage_client())
        return clients[-1]

    lake = Lake(f"gs://{bucket.name}{prefix}", client)
    address = lake.write("s/r/f ü.parquet", ROWS, METADATA)
    assert address == f"gs://{bucket.name}{prefix.rstrip('/')}/s/r/f ü.parquet"
    assert [blob.name for blob in clients[0].list_blobs(bucket.name)] == [address.removeprefix(f"gs://{bucket.name}/")]
    assert list(lake.files()) == list(lake.files("s")) == ["s/r/f ü.parquet"]
    assert same_rows(lake.read(address), ROWS) and lake.metadata("s/r/f ü.parquet") == METADATA
    assert len(clients) == 1


def test_without_a_client_the_librarys_defaults_apply(
    bucket: Bucket, google_cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", google_cloud.storage_url)
    address = Lake(bucket.uri).write("f.parquet", ROWS, METADATA)
    assert same_rows(bucket.lake.read(address), ROWS)


@pytest.mark.slow
def test_a_lake_in_a_folder_imports_no_google_library() -> None:
    code = (
        "import sys, mdp_dagster.lake as lake\nlist(lake.Lake('nowhere').files())\n"
        "print([name for name in sys.modules if name.startswith(('google.cloud.', 'google.auth', 'requests'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_metadata_and_columns_are_read_without_the_rows(bucket: Bucket) -> None:
    """One request for a usual file, two for a file with very large metadata."""
    bucket.lake.write("big.parquet", BIG, METADATA)
    bucket.lake.write("much.parquet", ROWS, {"much": os.urandom(200_000).hex()})
    bucket.faults.clear()
    assert bucket.lake.metadata("big.parquet") == METADATA
    assert bucket.lake.schema("big.parquet") == BIG.schema
    assert len(bucket.faults.requests()) == 2
    bucket.faults.clear()
    assert len(bucket.lake.metadata("much.parquet")["much"]) == 400_000
    assert len(bucket.faults.requests()) == 2


# ---- written once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [ROWS, BIG], ids=["in one request", "in several"])
@pytest.mark.parametrize(
    "fault", [{"lose": True}, {"status": 503}, {"status": 429}, {"lose": True, "times": 3}], ids=str
)
def test_an_upload_succeeds_when_its_answer_is_lost(bucket: Bucket, table: pa.Table, fault: dict[str, int]) -> None:
    bucket.faults.next("f.parquet", **fault)
    address = bucket.lake.write("f.parquet", table, METADATA)
    assert same_rows(bucket.lake.read(address), table)
    assert bucket.names() == ["f.parquet"]


def test_a_big_upload_succeeds_when_its_last_part_is_lost(bucket: Bucket) -> None:
    bucket.faults.next("f.parquet", method="PUT", lose=True)
    assert same_rows(bucket.lake.read(bucket.lake.write("f.parquet", BIG, METADATA)), BIG)
    assert sum(request.startswith("PUT") for request in bucket.faults.requests()) == 2


def test_a_file_can_be_written_again_only_with_the_same_content(bucket: Bucket) -> None:
    address = bucket.lake.write("s/f.parquet", ROWS, METADATA)
    assert bucket.lake.write("s/f.parquet", ROWS, METADATA) == address
    with pytest.raises(LakeError) as error:
        bucket.lake.write("s/f.parquet", ROWS.slice(1), METADATA)
    assert re.match(
        rf"{bucket.uri}/s/f.parquet can't be written: another file exists there → .*move it out", error_message(error)
    )
    assert same_rows(bucket.lake.read(address), ROWS)


def test_a_damaged_download_is_noticed(bucket: Bucket) -> None:
    address = bucket.lake.write("f.parquet", ROWS, METADATA)
    bucket.faults.next("f.parquet", method="GET", damage=True)
    with pytest.raises(LakeError, match=r"f.parquet can't be read: Checksum mismatch(.|\n)* → try again") as error:
        bucket.lake.read(address)
    error_message(error)
    assert same_rows(bucket.lake.read(address), ROWS)


faults = st.lists(
    st.tuples(
        st.sampled_from(["POST", "GET"]),
        st.sampled_from([{"lose": True}, {"status": 503}, {"status": 403, "message": "no"}]),
        st.integers(1, 2),
    ),
    max_size=4,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults)
def test_a_write_is_complete_or_can_be_repeated_after_any_fault(bucket: Bucket, struck: list[tuple]) -> None:
    for name in bucket.names():
        bucket.storage_client().bucket(bucket.name).blob(f"{bucket.PREFIX}/{name}").delete()
    for method, fault, times in struck:
        bucket.faults.next("parquet", method=method, times=times, **fault)
    failures = 0
    while True:
        try:
            bucket.lake.write("a.parquet", ROWS, METADATA)
            break
        except LakeError:
            failures += 1
            assert failures <= 8, "more often than there are faults"
    bucket.faults.clear()
    assert bucket.names() == ["a.parquet"]
    assert same_rows(bucket.lake.read(f"{bucket.uri}/a.parquet"), ROWS)
    assert bucket.lake.metadata("a.parquet") == METADATA


# ---- errors ----------------------------------------------------------------------------------------------------------


def every_use(lake: Lake) -> list[Callable[[], object]]:
    return [
        lambda: lake.write("f.parquet", ROWS, METADATA),
        lambda: lake.write("f.parquet", BIG, METADATA),
        lambda: lake.read(f"{lake.uri}/f.parquet"),
        lambda: lake.metadata("f.parquet"),
        lambda: lake.schema("f.parquet"),
        lambda: list(lake.files()),
    ]


USES = ["write", "write much", "read", "metadata", "schema", "list"]


@pytest.mark.parametrize("use", USES)
def test_an_error_names_the_missing_role(bucket: Bucket, use: str) -> None:
    bucket.faults.next("/b/", status=403, message="mdp@x.iam does not have storage.objects.y access.", times=9)
    with pytest.raises(LakeError) as error:
        every_use(bucket.lake)[USES.index(use)]()
    assert re.search(
        rf"^{bucket.uri}.* can't be .*: 403 mdp@x.iam does not have storage.objects.y access. → give .* "
        rf"roles/storage.objectUser on the bucket gs://{bucket.name}, or set MDP_LAKE_URI",
        error_message(error),
    )


@pytest.mark.parametrize("use", USES)
def test_an_error_names_a_missing_bucket(bucket: Bucket, use: str) -> None:
    lake = Lake("gs://no-such-bucket/lake", bucket.storage_client)
    with pytest.raises(LakeError) as error:
        every_use(lake)[USES.index(use)]()
    assert re.search(
        "^gs://no-such-bucket/lake.* can't be .*: 404 The specified bucket does not exist. → "
        "create the bucket gs://no-such-bucket, or set MDP_LAKE_URI",
        error_message(error),
    )


@pytest.mark.parametrize("use", USES)
def test_requests_are_retried_without_a_network_and_then_fail(use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs, "RETRY_SECONDS", 0.3)
    options = {"api_endpoint": f"http://127.0.0.1:{free_port()}"}
    client = storage.Client(project="p", credentials=AnonymousCredentials(), client_options=options)
    with pytest.raises(LakeError) as error:
        every_use(Lake("gs://some-bucket/lake", lambda: client))[USES.index(use)]()
    assert re.search(
        r"can't be .*: .*Connection refused.* \(retried for 0 s\) → try again when the network", error_message(error)
    )


def test_an_error_reports_an_unavailable_service(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs, "RETRY_SECONDS", 0.3)
    bucket.faults.next("/b/", status=503, message="Backend Error", times=1000)
    with pytest.raises(
        LakeError, match=r"can't be written: 503 Backend Error \(retried for 0 s\) → try again"
    ) as error:
        bucket.lake.write("f.parquet", ROWS, METADATA)
    error_message(error)


def test_an_error_reports_a_retention_policy(bucket: Bucket) -> None:
    bucket.faults.next("f.parquet", method="POST", status=403, message="subject to bucket's retention policy")
    with pytest.raises(LakeError, match=rf"→ remove the retention policy from gs://{bucket.name}"):
        bucket.lake.write("f.parquet", ROWS, METADATA)


def test_an_error_reports_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(
        LakeError, match="key.json was not found.* → check the credentials: GOOGLE_APPLICATION_CRED"
    ) as error:
        Lake("gs://some-bucket/lake").write("f.parquet", ROWS, METADATA)
    error_message(error)


def test_an_error_does_not_show_the_whole_answer_about_credentials(bucket: Bucket) -> None:
    def client() -> storage.Client:
        raise RefreshError("invalid_grant: Account not found", {"access_token": "ya29.secret"})

    with pytest.raises(LakeError, match="invalid_grant: Account not found → check the credentials") as error:
        list(Lake(bucket.uri, client).files())
    assert "secret" not in error_message(error)
