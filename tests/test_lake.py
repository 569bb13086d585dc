"""The lake keeps what it was given, whole or not at all, and says so when it can't."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdp_dagster.lake import Lake, LakeError

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["mdp_dagster.lake", "mdp_dagster.warehouse.duckdb"])

SCHEMA = pa.schema(
    [
        ("campaign", pa.string()),
        ("clicks", pa.int64()),
        ("value", pa.float64()),
        ("date", pa.date32()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
ROWS = pa.Table.from_pylist(
    [
        {
            "campaign": f"Größe {n % 7} 👟",
            "clicks": None if n % 5 == 0 else n * n,
            "value": n / 3,
            "date": date(2026, 1, 1 + n % 28),
            "at": datetime(2026, 1, 1, n % 24, tzinfo=timezone.utc),
        }
        for n in range(200)
    ],
    SCHEMA,
)
METADATA = {"kind": "extract", "days": [["2026-01-01", 200, "abc"]], "account": {"name": "Ü"}}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def local(lake: Lake, path: str) -> Path:
    return Path(lake.uri) / path


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    """Equal in every value and type, whatever the metadata."""
    return bool(one.replace_schema_metadata(None).equals(other.replace_schema_metadata(None)))


def test_what_was_written_is_read_back(lake: Lake) -> None:
    address = lake.write("google_ads/campaign_daily/run/1.parquet", ROWS, METADATA)
    assert address == f"{lake.uri}/google_ads/campaign_daily/run/1.parquet"
    assert same_rows(lake.read(address), ROWS)
    assert lake.metadata("google_ads/campaign_daily/run/1.parquet") == METADATA


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_any_rows_and_any_metadata_are_read_back(
    lake: Lake, written: list[dict[str, Any]], metadata: dict[str, Any]
) -> None:
    """No rows at all, too: a day restated to nothing."""
    table = pa.Table.from_pylist(written, SCHEMA)
    address = lake.write("f.parquet", table, metadata)
    assert same_rows(lake.read(address), table)
    assert lake.metadata("f.parquet") == metadata


def test_files_are_listed_below_a_prefix_and_in_order(lake: Lake) -> None:
    assert list(lake.files()) == [], "a lake that is not there yet"
    written = ["b/2/x.parquet", "a/1/y ü.parquet", "a/10/z.parquet", "refused/a/w.parquet"]
    for path in written:
        lake.write(path, ROWS, {})
    local(lake, "b/notes.txt").write_text("not ours")
    local(lake, "b/folder.parquet").mkdir()
    assert list(lake.files()) == sorted(written)
    assert list(lake.files("a")) == ["a/1/y ü.parquet", "a/10/z.parquet"]
    assert list(lake.files("nowhere")) == []


@pytest.mark.parametrize("folder", ["plain", "with spaces and ümläuts", "50%25 & more", "trailing/"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_lake_may_lie_anywhere(scheme: str, folder: str, tmp_path: Path) -> None:
    lake = Lake(f"{scheme}{tmp_path}/{folder}")
    address = lake.write("s/r/f ü.parquet", ROWS, METADATA)
    assert address.startswith(f"{scheme}{tmp_path}/{folder.rstrip('/')}/s/r/")
    assert list(lake.files()) == ["s/r/f ü.parquet"]
    assert same_rows(lake.read(address), ROWS) and lake.metadata("s/r/f ü.parquet") == METADATA
    escaped_as_in_a_uri = folder.replace("%25", "%") if scheme else folder
    assert (tmp_path / escaped_as_in_a_uri / "s/r/f ü.parquet").is_file()


def test_a_relative_lake_lies_where_the_process_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lake = Lake("./some/lake")
    monkeypatch.chdir("/")
    address = lake.write("f.parquet", ROWS, METADATA)
    assert (tmp_path / "some/lake/f.parquet").is_file()
    assert same_rows(lake.read(address), ROWS) and list(lake.files()) == ["f.parquet"]


def test_a_bucket_is_understood_without_a_request() -> None:
    lake = Lake("gs://a-bucket/a/prefix/")
    assert isinstance(lake._fs, pafs.GcsFileSystem)
    assert (lake.uri, lake._root) == ("gs://a-bucket/a/prefix", "a-bucket/a/prefix")


@pytest.mark.parametrize(
    "uri", ["http://example.com/lake", "azure://x", "file://host/lake", "gs://", "gs:///", "file:///", "://"]
)
def test_an_address_that_can_not_be_a_lake_is_refused_with_the_remedy(uri: str) -> None:
    with pytest.raises(LakeError, match=f"{re.escape(uri)}.* → set MDP_LAKE_URI to a folder"):
        Lake(uri)


def test_threads_write_side_by_side(lake: Lake) -> None:
    paths = [f"s/r/run/{n}.parquet" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: lake.write(path, ROWS, {"path": path}), paths))
    assert list(lake.files()) == sorted(paths)
    assert all(lake.metadata(path) == {"path": path} for path in paths)


# ---- whole or not at all ---------------------------------------------------------------------------------------------


def _write_big_files(uri: str) -> None:
    big = pa.table({"id": [os.urandom(12).hex() for _ in range(150_000)]})
    lake = Lake(uri)
    for n in range(1_000):
        lake.write(f"run/{n}.parquet", big, {"rows": big.num_rows})


def test_a_process_killed_while_it_writes_leaves_whole_files_only(lake: Lake) -> None:
    caught_in_the_act = 0
    for _ in range(4):
        before = set(Path(lake.uri).rglob("*.unfinished"))
        writer = processes.Process(target=_write_big_files, args=(lake.uri,))
        writer.start()
        deadline = time.monotonic() + 30
        while not set(Path(lake.uri).rglob("*.unfinished")) - before and time.monotonic() < deadline:
            time.sleep(0.002)
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        caught_in_the_act += bool(set(Path(lake.uri).rglob("*.unfinished")) - before)
        for path in lake.files():
            assert lake.metadata(path) == {"rows": 150_000} == {"rows": lake.read(f"{lake.uri}/{path}").num_rows}
        for leftover in set(Path(lake.uri).rglob("*.unfinished")):
            leftover.rename(leftover.with_name(f"{time.monotonic()}.unfinished"))
    assert caught_in_the_act, "no kill fell into a write"
    assert all(path.endswith(".parquet") for path in lake.files())


def _write_with_little_space(uri: str, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    lake = Lake(uri)
    lake.write("run/small.parquet", pa.table({"n": [1]}), {})
    try:
        lake.write("run/big.parquet", pa.table({"id": [os.urandom(12).hex() for _ in range(20_000)]}), {})
    except LakeError as error:
        answer.send(str(error))
    else:
        answer.send("no error")
    lake.write("run/after.parquet", pa.table({"n": [1]}), {})
    answer.send("went on")


def test_a_full_disk_leaves_nothing_of_the_file_and_says_what_to_do(lake: Lake) -> None:
    ours, theirs = processes.Pipe(duplex=False)
    writer = processes.Process(target=_write_with_little_space, args=(lake.uri, theirs))
    writer.start()
    assert ours.poll(30), "no answer"
    assert re.search(rf"{re.escape(lake.uri)}/run/big.parquet can't be written: .* → free space.*", ours.recv())
    assert ours.poll(30) and ours.recv() == "went on"
    writer.join()
    assert sorted(path.name for path in (Path(lake.uri) / "run").iterdir()) == ["after.parquet", "small.parquet"]


def test_a_place_that_is_taken_leaves_nothing_half_written(lake: Lake) -> None:
    local(lake, "run/f.parquet/inside").mkdir(parents=True)
    with pytest.raises(LakeError, match="run/f.parquet can't be written"):
        lake.write("run/f.parquet", ROWS, METADATA)
    assert [path.name for path in local(lake, "run").iterdir()] == ["f.parquet"]


def test_a_lake_below_a_file_says_where_to_point_it_to(tmp_path: Path) -> None:
    """Fails for root too, unlike a folder without rights."""
    (tmp_path / "file").write_text("x")
    for lake in (Lake(str(tmp_path / "file")), Lake(str(tmp_path / "file" / "lake"))):
        with pytest.raises(LakeError, match="can't be written.*MDP_LAKE_URI"):
            lake.write("f.parquet", ROWS, {})
    with pytest.raises(LakeError, match="can't be listed.*MDP_LAKE_URI"):
        list(Lake(str(tmp_path / "file")).files())


# ---- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"hello world", os.urandom(5_000), b"PAR1" + b"\x00" * 500 + b"PAR1"]
)
def test_a_file_that_is_no_extract_is_named(lake: Lake, content: bytes) -> None:
    lake.write("s/good.parquet", ROWS, METADATA)
    local(lake, "s/bad.parquet").write_bytes(content)
    with pytest.raises(LakeError, match=r"(?s)s/bad.parquet is no extract of MDP, or is damaged.* → move it out"):
        lake.metadata("s/bad.parquet")
    with pytest.raises(LakeError, match=r"(?s)s/bad.parquet can't be read.* → pull its days again"):
        lake.read(f"{lake.uri}/s/bad.parquet")


def test_somebody_elses_parquet_is_no_extract(lake: Lake) -> None:
    lake.write("s/good.parquet", ROWS, METADATA)
    pq.write_table(ROWS, local(lake, "s/foreign.parquet"))
    with pytest.raises(LakeError, match=r"s/foreign.parquet is no extract of MDP"):
        lake.metadata("s/foreign.parquet")


def test_a_file_that_is_gone_is_named(lake: Lake) -> None:
    with pytest.raises(LakeError, match="gone.parquet can't be read"):
        lake.read(f"{lake.uri}/gone.parquet")
    with pytest.raises(LakeError, match="gone.parquet is no extract"):
        lake.metadata("gone.parquet")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_that_was_cut_off_is_named(lake: Lake, data: st.DataObject) -> None:
    address = lake.write("f.parquet", ROWS, METADATA)
    content = local(lake, "f.parquet").read_bytes()
    local(lake, "f.parquet").write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(LakeError, match="f.parquet"):
        lake.read(address)
    with pytest.raises(LakeError, match="f.parquet"):
        lake.metadata("f.parquet")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_bit_turned_over_among_the_rows_is_noticed_or_harmless(lake: Lake, data: st.DataObject) -> None:
    """It never changes a number in silence."""
    address = lake.write("f.parquet", ROWS, METADATA)
    content = bytearray(local(lake, "f.parquet").read_bytes())
    end_of_rows = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    position, bit = data.draw(st.integers(4, end_of_rows - 1)), data.draw(st.integers(0, 7))
    content[position] ^= 1 << bit
    local(lake, "f.parquet").write_bytes(content)
    try:
        read = lake.read(address)
    except LakeError as error:
        assert "f.parquet" in str(error)
    else:
        assert same_rows(read, ROWS)
