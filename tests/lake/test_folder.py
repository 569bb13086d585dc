"""A lake in a local folder: files are complete or absent, in any folder."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa
import pytest

from mdp_dagster.lake import Lake, LakeError
from tests.support.limits import HANG_SECONDS

from .places import Folder
from .rows import METADATA, ROWS, same_rows

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["mdp_dagster.lake", "mdp_dagster.warehouse.duckdb"])


@pytest.mark.parametrize("name", ["plain", "with spaces and ümläuts", "50%25 & more", "trailing/"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_lake_can_use_any_folder(scheme: str, name: str, tmp_path: Path) -> None:
    lake = Lake(f"{scheme}{tmp_path}/{name}")
    address = lake.write("s/r/f ü.parquet", ROWS, METADATA)
    assert address.startswith(f"{scheme}{tmp_path}/{name.rstrip('/')}/s/r/")
    assert list(lake.files()) == ["s/r/f ü.parquet"]
    assert same_rows(lake.read(address), ROWS) and lake.metadata("s/r/f ü.parquet") == METADATA
    escaped_as_in_a_uri = name.replace("%25", "%") if scheme else name
    assert (tmp_path / escaped_as_in_a_uri / "s/r/f ü.parquet").is_file()


def test_a_relative_address_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lake = Lake("./some/lake")
    monkeypatch.chdir("/")
    address = lake.write("f.parquet", ROWS, METADATA)
    assert (tmp_path / "some/lake/f.parquet").is_file()
    assert same_rows(lake.read(address), ROWS) and list(lake.files()) == ["f.parquet"]


# ---- whole or not at all ---------------------------------------------------------------------------------------------


def _write_big_files(uri: str) -> None:
    big = pa.table({"id": [os.urandom(12).hex() for _ in range(150_000)]})
    lake = Lake(uri)
    for n in range(1_000):
        lake.write(f"run/{n}.parquet", big, {"rows": big.num_rows})


def test_a_killed_process_leaves_only_complete_files(folder: Folder) -> None:
    lake, caught_in_the_act = folder.lake, 0
    for _ in range(4):
        before = set(folder.root.rglob("*.unfinished"))
        writer = processes.Process(target=_write_big_files, args=(lake.uri,))
        writer.start()
        deadline = time.monotonic() + HANG_SECONDS
        while not set(folder.root.rglob("*.unfinished")) - before and time.monotonic() < deadline:
            time.sleep(0.002)
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        caught_in_the_act += bool(set(folder.root.rglob("*.unfinished")) - before)
        for path in lake.files():
            assert lake.metadata(path) == {"rows": 150_000}
            assert lake.read(f"{lake.uri}/{path}").num_rows == 150_000
        for leftover in set(folder.root.rglob("*.unfinished")):
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


def test_a_full_disk_leaves_no_part_of_the_file_and_gives_a_remedy(folder: Folder) -> None:
    ours, theirs = processes.Pipe(duplex=False)
    writer = processes.Process(target=_write_with_little_space, args=(folder.lake.uri, theirs))
    writer.start()
    assert ours.poll(HANG_SECONDS), "no answer"
    assert re.search(rf"{re.escape(folder.lake.uri)}/run/big.parquet can't be written: .* → free space.*", ours.recv())
    assert ours.poll(HANG_SECONDS) and ours.recv() == "went on"
    writer.join()
    assert sorted(path.name for path in (folder.root / "run").iterdir()) == ["after.parquet", "small.parquet"]


def test_a_path_that_is_a_folder_leaves_no_partial_file(folder: Folder) -> None:
    (folder.root / "run/f.parquet/inside").mkdir(parents=True)
    with pytest.raises(LakeError, match="run/f.parquet can't be written"):
        folder.lake.write("run/f.parquet", ROWS, METADATA)
    assert [path.name for path in (folder.root / "run").iterdir()] == ["f.parquet"]


def test_a_lake_below_a_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """A folder below a file fails for root too, unlike a folder without permissions."""
    (tmp_path / "file").write_text("x")
    for lake in (Lake(str(tmp_path / "file")), Lake(str(tmp_path / "file" / "lake"))):
        with pytest.raises(LakeError, match="can't be written.*MDP_LAKE_URI"):
            lake.write("f.parquet", ROWS, {})
    with pytest.raises(LakeError, match="can't be listed.*MDP_LAKE_URI"):
        list(Lake(str(tmp_path / "file")).files())
