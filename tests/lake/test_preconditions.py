"""The emulator checks the preconditions that the lake and its leases rely on in Cloud Storage."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
from google.cloud import storage

from .places import Bucket


@pytest.fixture
def objects(bucket: Bucket) -> storage.Bucket:
    return bucket.storage_client().bucket(bucket.name)


def succeeded(calls: list[Callable[[], object]]) -> list[int]:
    """The numbers of the calls that succeeded, all made at the same time. The others must fail with status 412."""

    def made(call: Callable[[], object]) -> bool:
        try:
            call()
        except PreconditionFailed as error:
            assert "pre-conditions you specified did not hold" in str(error)
            return False
        return True

    with ThreadPoolExecutor(len(calls)) as pool:
        return [n for n, done in enumerate(pool.map(made, calls)) if done]


@pytest.mark.parametrize("size", [100, 9_000_000], ids=["in one request", "in several"])
def test_of_many_parallel_creates_one_succeeds(objects: storage.Bucket, size: int) -> None:
    contents = [bytes([n]) * size for n in range(4 if size > 100 else 12)]
    [winner] = succeeded(
        [lambda c=c: objects.blob("x").upload_from_string(c, if_generation_match=0) for c in contents]  # type: ignore[misc]
    )
    assert objects.blob("x").download_as_bytes() == contents[winner]


def test_of_many_parallel_overwrites_one_succeeds(objects: storage.Bucket) -> None:
    first = objects.blob("x")
    first.upload_from_string("first")
    contents = [f"{n}" for n in range(12)]
    [winner] = succeeded(
        [
            lambda c=c: objects.blob("x").upload_from_string(c, if_generation_match=first.generation)  # type: ignore[misc]
            for c in contents
        ]
    )
    now = objects.get_blob("x")
    assert now.download_as_bytes() == contents[winner].encode()
    assert now.generation > first.generation


def test_of_many_parallel_deletes_and_overwrites_one_succeeds(objects: storage.Bucket) -> None:
    first = objects.blob("x")
    first.upload_from_string("first")
    generation = first.generation

    def delete() -> None:
        try:
            objects.blob("x").delete(if_generation_match=generation)
        except NotFound:
            raise PreconditionFailed("pre-conditions you specified did not hold") from None

    writes = [lambda: objects.blob("x").upload_from_string("next", if_generation_match=generation)] * 4
    [winner] = succeeded([delete, delete, delete, *writes])
    assert [blob.name for blob in objects.list_blobs()] == ([] if winner < 3 else ["x"])


def test_a_copy_and_a_read_check_generations(objects: storage.Bucket) -> None:
    objects.blob("a").upload_from_string("one")
    objects.blob("b").upload_from_string("two")
    a = objects.get_blob("a")
    source = objects.blob("a")
    assert succeeded([lambda: objects.copy_blob(source, objects, "b", if_generation_match=0)]) == []
    assert succeeded([lambda: objects.copy_blob(source, objects, "c", if_source_generation_match=1)]) == []
    assert succeeded([lambda: source.download_as_bytes(if_generation_match=1)]) == []
    assert source.download_as_bytes(if_generation_match=a.generation) == b"one"
    objects.copy_blob(source, objects, "c", if_generation_match=0, if_source_generation_match=a.generation)
    c = objects.get_blob("c")
    assert (c.crc32c, c.size) == (a.crc32c, a.size) and c.generation > a.generation
    assert objects.blob("b").download_as_bytes() == b"two"


def test_a_precondition_that_is_not_emulated_is_refused(objects: storage.Bucket) -> None:
    with pytest.raises(GoogleAPICallError, match="501.*not emulated: ifMetagenerationMatch"):
        objects.blob("x").upload_from_string("x", if_metageneration_match=1)
