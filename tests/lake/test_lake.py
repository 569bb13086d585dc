"""The lake stores complete files or raises an error, in a folder and in a bucket."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timezone
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdp_dagster.lake import Lake, LakeError

from .places import Place
from .rows import METADATA, ROWS, SCHEMA, same_rows

with_shared_fixture = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def test_written_files_are_read_back(place: Place) -> None:
    address = place.lake.write("google_ads/campaign_daily/run/1.parquet", ROWS, METADATA)
    assert address == f"{place.lake.uri}/google_ads/campaign_daily/run/1.parquet"
    assert same_rows(place.lake.read(address), ROWS)
    assert place.lake.metadata("google_ads/campaign_daily/run/1.parquet") == METADATA


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "campaign": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
            "clicks": st.none() | st.integers(-(2**63), 2**63 - 1),
            "value": st.none() | st.floats(allow_nan=False),
            "date": st.none() | st.dates(),
            "at": st.none() | st.datetimes(timezones=st.just(timezone.utc)),
        }
    ),
    max_size=20,
)
numbers = iter(range(1_000_000))


@settings(max_examples=60, deadline=None, suppress_health_check=with_shared_fixture)
@given(rows, st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_any_rows_and_any_metadata_are_read_back(
    place: Place, written: list[dict[str, Any]], metadata: dict[str, Any]
) -> None:
    """Also a file without rows: a day that was restated to zero rows."""
    table, path = pa.Table.from_pylist(written, SCHEMA), f"{next(numbers)}.parquet"
    address = place.lake.write(path, table, metadata)
    assert same_rows(place.lake.read(address), table)
    assert place.lake.metadata(path) == metadata


def test_a_files_columns_can_be_read_by_path_and_by_address(place: Place) -> None:
    address = place.lake.write("s/r/1.parquet", ROWS, METADATA)
    assert place.lake.schema("s/r/1.parquet") == place.lake.schema(address) == SCHEMA
    assert place.lake.schema(address).metadata is None
    empty = place.lake.write("s/r/2.parquet", SCHEMA.empty_table().select(["date", "clicks"]), {})
    assert place.lake.schema(empty) == pa.schema([("date", pa.date32()), ("clicks", pa.int64())])


def test_files_are_listed_below_a_prefix_and_in_order(place: Place) -> None:
    assert list(place.lake.files()) == [], "a lake that is not there yet"
    written = ["b/2/x.parquet", "a/1/y ü.parquet", "a/10/z.parquet", "ab/v.parquet", "refused/a/w.parquet"]
    for path in written:
        place.lake.write(path, ROWS, {})
    place.put("b/notes.txt", b"not ours")
    place.put("b/folder.parquet/notes.txt", b"not ours")
    assert list(place.lake.files()) == sorted(written)
    assert list(place.lake.files("a")) == list(place.lake.files("a/")) == ["a/1/y ü.parquet", "a/10/z.parquet"]
    assert list(place.lake.files("nowhere")) == []


def test_threads_can_write_in_parallel(place: Place) -> None:
    """Includes more files than Cloud Storage lists per request."""
    paths = [f"s/r/run/{n}.parquet" for n in range(120)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: place.lake.write(path, ROWS, {"path": path}), paths))
    assert list(place.lake.files()) == sorted(paths)
    assert all(place.lake.metadata(path) == {"path": path} for path in paths[::10])


# ---- a part at a time ------------------------------------------------------------------------------------------------


def test_a_file_is_written_a_part_at_a_time_and_is_visible_when_it_is_finished(place: Place) -> None:
    writer = place.lake.writer("s/r/1.parquet", SCHEMA)
    for part in (ROWS, ROWS.slice(0, 0), ROWS):
        writer.add(part)
        assert list(place.lake.files()) == []
    writer.finish("s/r/1.parquet", METADATA)
    assert list(place.lake.files()) == ["s/r/1.parquet"]
    assert place.lake.metadata("s/r/1.parquet") == METADATA
    assert same_rows(place.lake.read(place.lake.address("s/r/1.parquet")), pa.concat_tables([ROWS, ROWS]))
    writer.discard()
    assert list(place.lake.files()) == ["s/r/1.parquet"]


def test_a_file_can_appear_at_another_path(place: Place) -> None:
    writer = place.lake.writer("s/r/1.parquet", SCHEMA)
    writer.add(ROWS)
    writer.finish("refused/s/r/1.parquet", METADATA)
    assert place.names() == ["refused/s/r/1.parquet"]


def test_a_discarded_file_leaves_nothing(place: Place) -> None:
    writer = place.lake.writer("s/r/1.parquet", SCHEMA)
    writer.add(ROWS)
    writer.discard()
    assert place.names() == []


def test_large_parts_are_written_and_read_in_row_groups(place: Place) -> None:
    """Memory holds one of them, however long the file is."""
    large = pa.table({"text": [os.urandom(500).hex() for _ in range(9_000)]})
    writer = place.lake.writer("1.parquet", large.schema)
    for _ in range(3):
        writer.add(large)
    writer.add(large.slice(0, 5))
    writer.finish("1.parquet", {})
    groups = [rows.num_rows for rows in place.lake.row_groups(place.lake.address("1.parquet"))]
    assert groups == [9_000, 9_000, 9_000, 5]


# ---- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"hello world", os.urandom(99_000), b"PAR1" + b"\x00" * 500 + b"PAR1", b"\xff" * 99_000 + b"PAR1"],
    ids=["empty", "short", "text", "noise", "zeros", "footer beyond its beginning"],
)
def test_an_error_names_a_file_that_is_not_an_extract(place: Place, content: bytes) -> None:
    place.put("s/bad.parquet", content)
    with pytest.raises(LakeError, match=r"(?s)s/bad.parquet is damaged, or MDP did not write it.* → move it out"):
        place.lake.metadata("s/bad.parquet")
    with pytest.raises(LakeError, match=r"(?s)s/bad.parquet can't be read.* → extract its days again"):
        place.lake.read(f"{place.lake.uri}/s/bad.parquet")
    with pytest.raises(LakeError, match=r"(?s)s/bad.parquet can't be read.* → extract its days again"):
        place.lake.schema("s/bad.parquet")


def test_a_parquet_file_from_another_program_is_not_an_extract(place: Place) -> None:
    foreign = io.BytesIO()
    pq.write_table(ROWS, foreign)
    place.put("s/foreign.parquet", foreign.getvalue())
    with pytest.raises(LakeError, match=r"s/foreign.parquet is damaged, or MDP did not write it"):
        place.lake.metadata("s/foreign.parquet")


def test_an_error_names_a_missing_file(place: Place) -> None:
    with pytest.raises(LakeError, match="gone.parquet can't be read.* → extract its days again"):
        place.lake.read(f"{place.lake.uri}/gone.parquet")
    with pytest.raises(LakeError, match="gone.parquet can't be read.* → extract its days again"):
        place.lake.schema("gone.parquet")
    with pytest.raises(LakeError, match="gone.parquet is damaged, or MDP did not write it"):
        place.lake.metadata("gone.parquet")


@settings(max_examples=30, deadline=None, suppress_health_check=with_shared_fixture)
@given(st.data())
def test_an_error_names_a_truncated_file(place: Place, data: st.DataObject) -> None:
    path = f"{next(numbers)}.parquet"
    address = place.lake.write(path, ROWS, METADATA)
    content = place.content(path)
    place.put(path, content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(LakeError, match=path):
        place.lake.read(address)
    with pytest.raises(LakeError, match=path):
        place.lake.metadata(path)


@settings(max_examples=100, deadline=None, suppress_health_check=with_shared_fixture)
@given(st.data())
def test_a_flipped_bit_in_the_rows_is_noticed_or_harmless(place: Place, data: st.DataObject) -> None:
    """It never changes a number without an error."""
    path = f"{next(numbers)}.parquet"
    address = place.lake.write(path, ROWS, METADATA)
    content = bytearray(place.content(path))
    end_of_rows = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    position, bit = data.draw(st.integers(4, end_of_rows - 1)), data.draw(st.integers(0, 7))
    content[position] ^= 1 << bit
    place.put(path, bytes(content))
    try:
        read = place.lake.read(address)
    except LakeError as error:
        assert path in str(error)
    else:
        assert same_rows(read, ROWS)


# ---- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.com/lake", "s3://bucket/x", "azure://x", "file://host/lake", "file:///", "://",
        "gs://", "gs:///", "gs:///x", "gs:/bucket/x", "gs:bucket", "GS://bucket/x", "gs://B", "gs://my bucket/x",
        "gs://-bucket/x", "gs://bucket//x", "gs://bucket/x//y", "gs://bucket/../x", "gs://bucket/./x",
        "gs://bucket/a*", "gs://bucket/a?b", "gs://bucket/a#b", "gs://bucket/[a]", "gs://bucket/a\nb",
    ],
)  # fmt: skip
def test_an_address_that_can_not_be_a_lake_is_refused_with_the_remedy(uri: str) -> None:
    with pytest.raises(LakeError) as error:
        Lake(uri)
    assert str(error.value).startswith(f"{uri} can't be a lake: ")
    assert "→ set MDP_LAKE_URI to a folder, file:///a/folder or gs://bucket/prefix" in str(error.value)
