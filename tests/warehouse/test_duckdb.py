"""DuckDB's file with several processes, killed processes, full disks and damage. Real processes, real signals."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mdp_dagster.warehouse.base import Append, LandedRows, Table, Unit, Warehouse, WarehouseError
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from tests.support.limits import HANG_SECONDS
from tests.support.processes import answer, process

ROWS = Table("raw_test__rows", "Rows.", pa.schema([("run", pa.string()), ("n", pa.int64())]))
LEDGER = Table("raw_test__ledger", "The runs with valid rows.", pa.schema([("run", pa.string()), ("n", pa.int64())]))
TABLES = [ROWS, LEDGER]
REBUILD = r"(?s)→ move the file away, run `python -m mdp_dagster rebuild-raw`"


def unit(run: str, count: int) -> Unit:
    rows = pa.table({"run": [run] * count, "n": [random.getrandbits(60) for _ in range(count)]}, schema=ROWS.schema)
    ledger = Append(LEDGER, pa.table({"run": [run], "n": [count]}, schema=LEDGER.schema))
    return Unit([Append(ROWS, rows), ledger])


def whole_units(warehouse: Warehouse) -> set[str]:
    """The committed runs. Fails if one is incomplete."""
    found = warehouse.query(
        f"""
        select coalesce(rows.run, ledger.run) as run, coalesce(rows.n, 0) as n, ledger.n as expected
        from (select run, count(*) as n from {ROWS.id} group by run) as rows
        full join {LEDGER.id} as ledger on ledger.run = rows.run
        """
    ).to_pylist()
    assert all(row["n"] == row["expected"] for row in found), "half a unit, or one twice"
    return {row["run"] for row in found}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def warehouse(path: Path) -> DuckDBWarehouse:
    made = DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS)
    made.prepare(TABLES)
    return made


def answers(pipe: Connection) -> list[Any]:
    """All answers of a process before it died."""
    said = []
    while pipe.poll(0):
        try:
            said.append(pipe.recv())
        except (EOFError, OSError):
            break
    return said


# ---- several processes -----------------------------------------------------------------------------------------------


def _commit_often(path: Path, name: str, pipe: Connection) -> None:
    warehouse = DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS)
    for n in range(25):
        if n % 5 == 0:
            warehouse.prepare(TABLES)
        warehouse.commit([unit(f"{name}{n}", 20)])
    pipe.send("done")


def test_four_processes_can_append_at_the_same_time(path: Path) -> None:
    """The database does not exist yet when they start."""
    with (
        process(_commit_often, path, "a") as (_, a),
        process(_commit_often, path, "b") as (_, b),
        process(_commit_often, path, "c") as (_, c),
        process(_commit_often, path, "d") as (_, d),
    ):
        assert [answer(pipe) for pipe in (a, b, c, d)] == ["done"] * 4
    committed = whole_units(DuckDBWarehouse(path))
    assert committed == {f"{name}{n}" for name in "abcd" for n in range(25)}


def _hold_open(path: Path, seconds: float, read_only: bool, pipe: Connection) -> None:
    """Open the database like a BI tool or a shell, which ignores MDP's lock file."""
    with duckdb.connect(str(path), read_only=read_only):
        pipe.send("open")
        time.sleep(seconds)


@pytest.mark.parametrize(("read_only", "seconds"), [(True, 0.5), (False, 2)])
def test_the_warehouse_waits_until_another_program_closes_the_file(
    warehouse: DuckDBWarehouse, path: Path, read_only: bool, seconds: float
) -> None:
    with process(_hold_open, path, seconds, read_only) as (_, pipe):
        assert answer(pipe) == "open"
        warehouse.commit([unit("a", 5)])
    assert whole_units(warehouse) == {"a"}


def test_a_timeout_names_the_program_that_keeps_the_file_open(warehouse: DuckDBWarehouse, path: Path) -> None:
    impatient = DuckDBWarehouse(path, lock_timeout_seconds=0.3)
    with process(_hold_open, path, HANG_SECONDS, False) as (holder, pipe):
        assert answer(pipe) == "open"
        with pytest.raises(
            WarehouseError,
            match=rf"PID {holder.pid}.*→ close the program that has it open, or raise MDP_LOCK_TIMEOUT_SECONDS",
        ):
            impatient.commit([unit("a", 5)])
    assert whole_units(warehouse) == set(), "and it is free again when that program is gone"


# ---- the lock between MDP's own processes and threads ----------------------------------------------------------------


def _hold_lock(path: Path, seconds: float, pipe: Connection) -> None:
    with DuckDBWarehouse(path).exclusive():
        pipe.send("held")
        time.sleep(seconds)
    pipe.send("released")


def test_a_process_waits_for_the_lock(warehouse: DuckDBWarehouse, path: Path) -> None:
    with process(_hold_lock, path, 0.4) as (_, pipe):
        assert answer(pipe) == "held"
        with warehouse.exclusive():
            assert answer(pipe) == "released"


def test_a_timeout_names_the_process_that_keeps_the_lock(path: Path) -> None:
    impatient = DuckDBWarehouse(path, lock_timeout_seconds=0.3)
    with process(_hold_lock, path, HANG_SECONDS) as (holder, pipe):
        assert answer(pipe) == "held"
        with pytest.raises(
            WarehouseError,
            match=rf"process {holder.pid} has held it for 0.3 s → end that process, or raise MDP_LOCK_TIMEOUT_SECONDS",
        ):
            impatient.query("select 1")


def test_a_killed_holder_releases_the_lock(path: Path) -> None:
    with process(_hold_lock, path, HANG_SECONDS) as (holder, pipe):
        assert answer(pipe) == "held"
        os.kill(holder.pid, signal.SIGKILL)
        holder.join()
        with DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS).exclusive():
            pass


def _fork_while_holding(path: Path, pipe: Connection) -> None:
    with DuckDBWarehouse(path).exclusive():
        child = os.fork()
        if child == 0:
            time.sleep(HANG_SECONDS)
            os._exit(0)
    pipe.send(child)
    time.sleep(HANG_SECONDS)


def test_a_released_lock_is_free_although_a_child_was_forked_meanwhile(path: Path) -> None:
    with process(_fork_while_holding, path) as (_, pipe):
        child = answer(pipe)
        try:
            with DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS).exclusive():
                pass
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("one_instance", [True, False])
def test_threads_take_turns(path: Path, one_instance: bool) -> None:
    shared = DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS)
    inside: list[int] = []
    overlaps: list[int] = []

    def work(number: int) -> None:
        own = shared if one_instance else DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS)
        for _ in range(5):
            with own.exclusive(), own.exclusive():
                overlaps.extend(inside)
                inside.append(number)
                time.sleep(0.002)
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert not any(thread.is_alive() for thread in threads) and overlaps == []


def test_the_timeout_holds_for_threads_too(path: Path) -> None:
    warehouse = DuckDBWarehouse(path, lock_timeout_seconds=0.2)
    outcome: list[str] = []

    def wait() -> None:
        try:
            warehouse.query("select 1")
        except WarehouseError as error:
            outcome.append(str(error))

    with warehouse.exclusive():
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(HANG_SECONDS)
    assert re.search(r"another thread of this process has held it for 0.2 s → .*MDP_LOCK_TIMEOUT_SECONDS", outcome[0])


def test_an_infinite_timeout_is_allowed(path: Path) -> None:
    """MDP_LOCK_TIMEOUT_SECONDS=inf."""
    assert DuckDBWarehouse(path, lock_timeout_seconds=float("inf")).query("select 1 as n").to_pylist() == [{"n": 1}]


# ---- killed processes ------------------------------------------------------------------------------------------------


def _commit_until_killed(path: Path, name: str, pipe: Connection) -> None:
    warehouse = DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS)
    units = [unit(f"{name}-{n}", 3_000) for n in range(300)]
    pipe.send("ready")
    for n, one in enumerate(units):
        warehouse.commit([one])
        pipe.send(f"{name}-{n}")


def test_a_kill_during_a_commit_keeps_all_finished_units_and_no_partial_one(
    warehouse: DuckDBWarehouse, path: Path
) -> None:
    finished: set[str] = set()
    unfinished_but_kept = 0
    for attempt in range(10):
        with process(_commit_until_killed, path, str(attempt)) as (writer, pipe):
            assert answer(pipe) == "ready"
            if attempt % 2:
                finished.add(answer(pipe))
            time.sleep(random.uniform(0, 0.25))
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
            finished.update(answers(pipe))
        there = whole_units(warehouse)
        assert finished <= there
        assert len(there - finished) <= attempt + 1, "more than what each was at when it was killed"
        unfinished_but_kept = len(there - finished)
    assert len(finished) >= 5
    warehouse.commit([unit("after", 5)])
    assert len(whole_units(warehouse)) == len(finished) + unfinished_but_kept + 1


def _replace_until_killed(path: Path, pipe: Connection) -> None:
    warehouse = DuckDBWarehouse(path, lock_timeout_seconds=HANG_SECONDS)
    pipe.send("ready")
    for n in range(1_000):
        warehouse.replace([unit(f"{n}-{part}", 2_000) for part in range(3)], TABLES)


def test_a_kill_during_a_replace_leaves_the_old_rows_or_the_new_ones(warehouse: DuckDBWarehouse, path: Path) -> None:
    for _ in range(4):
        with process(_replace_until_killed, path) as (writer, pipe):
            assert answer(pipe) == "ready"
            time.sleep(random.uniform(0.05, 0.3))
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
        there = whole_units(warehouse)
        runs = {run.split("-")[0] for run in there}
        assert there == {f"{run}-{part}" for run in runs for part in range(3)} and len(runs) <= 1


def _create_databases(folder: Path, pipe: Connection) -> None:
    pipe.send("ready")
    for n in range(1_000):
        DuckDBWarehouse(folder / f"{n}.duckdb").prepare(TABLES)


def test_a_kill_while_the_database_is_created_leaves_a_usable_one(tmp_path: Path) -> None:
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        with process(_create_databases, folder) as (writer, pipe):
            assert answer(pipe) == "ready"
            time.sleep(random.uniform(0, 0.1))
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
        created = sorted(folder.glob("*.duckdb"), key=lambda found: int(found.stem)) if folder.exists() else []
        for found in created[-2:]:
            warehouse = DuckDBWarehouse(found, lock_timeout_seconds=HANG_SECONDS)
            warehouse.prepare(TABLES)
            warehouse.commit([unit("a", 3)])
            assert whole_units(warehouse) == {"a"}


# ---- damage, and places where no database can be ---------------------------------------------------------------------


def test_an_empty_file_is_replaced_by_a_new_database(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that dies while it creates the database leaves an empty file."""
    path.write_bytes(b"")
    warehouse = DuckDBWarehouse(path)
    warehouse.prepare(TABLES)
    assert whole_units(warehouse) == set()
    assert f"{path} is empty" in caplog.text


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 100_000, os.urandom(100_000), b"PK\x03\x04" * 1_000])
def test_a_file_that_is_not_a_database_is_refused_with_the_remedy(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    warehouse = DuckDBWarehouse(path)
    for use in (lambda: warehouse.prepare(TABLES), lambda: warehouse.query("select 1")):
        with pytest.raises(WarehouseError, match=REBUILD) as caught:
            use()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == content, "the file is kept for inspection"


@pytest.fixture(scope="module")
def large_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a database with several used blocks."""
    path = tmp_path_factory.mktemp("large_database") / "warehouse.duckdb"
    warehouse = DuckDBWarehouse(path)
    warehouse.prepare(TABLES)
    warehouse.commit([unit("a", 150_000)])
    return path.read_bytes()


READ_ALL = f"select count(*) as n, bit_xor(n) as x, min(run) as a, max(run) as b from {ROWS.id}"


def damage_is_noticed(path: Path, content: bytes, good: pa.Table) -> bool:
    """Whether the damage is noticed. Damage in an unused place may go unnoticed, but no number changes."""
    path.write_bytes(content)
    try:
        found = DuckDBWarehouse(path).query(READ_ALL)
    except WarehouseError as error:
        assert re.search(REBUILD, str(error)), error
        return True
    assert found.equals(good)
    return False


def test_a_truncated_file_is_refused_with_the_remedy(path: Path, large_database: bytes) -> None:
    path.write_bytes(large_database)
    good = DuckDBWarehouse(path).query(READ_ALL)
    lengths = [1, 100, 4_096, 5_000, 12_287, 12_288, 20_000, *(int(len(large_database) * n / 10) for n in range(1, 10))]
    noticed = [length for length in lengths if damage_is_noticed(path, large_database[:length], good)]
    assert set(noticed) >= {length for length in lengths if length < len(large_database) / 2}


def test_a_damaged_block_is_noticed_and_reported_with_the_remedy(path: Path, large_database: bytes) -> None:
    path.write_bytes(large_database)
    good = DuckDBWarehouse(path).query(READ_ALL)
    noticed = 0
    for position in [0, 4096, 8192, *range(12_288, len(large_database), 262_144)]:
        content = bytearray(large_database)
        for place in range(position + 8, min(position + 2_000, len(large_database))):
            content[place] ^= 0x55
        noticed += damage_is_noticed(path, bytes(content), good)
    assert noticed >= 4


def test_a_new_database_is_created_after_a_damaged_file_is_moved_away(path: Path, large_database: bytes) -> None:
    path.write_bytes(large_database[: len(large_database) // 3])
    warehouse = DuckDBWarehouse(path)
    with pytest.raises(WarehouseError, match=REBUILD):
        warehouse.query(READ_ALL)
    path.rename(path.with_suffix(".damaged"))
    warehouse.replace([unit("from the lake", 10)], TABLES)
    assert whole_units(warehouse) == {"from the lake"}


def _leave_a_log_behind(path: Path, pipe: Connection) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table old (n int)")
        connection.execute("checkpoint")
        connection.execute("insert into old values (1)")
        pipe.send("written")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_leftover_write_ahead_log_does_no_harm(path: Path) -> None:
    """The remedy is to move the file away. People easily forget the write-ahead log next to it."""
    with process(_leave_a_log_behind, path) as (writer, pipe):
        assert answer(pipe) == "written"
        writer.join()
    assert path.with_name(path.name + ".wal").exists()
    path.rename(path.with_suffix(".damaged"))
    warehouse = DuckDBWarehouse(path)
    warehouse.replace([unit("a", 10)], TABLES)
    assert whole_units(warehouse) == {"a"}
    assert warehouse.query("select * from duckdb_tables() where table_name = 'old'").num_rows == 0


@pytest.mark.parametrize("where", ["a file/warehouse.duckdb", "a folder", "locked.duckdb", f"{'x' * 300}.duckdb"])
def test_an_unusable_path_is_reported_with_a_remedy(tmp_path: Path, where: str) -> None:
    """Each of these paths fails for root too, unlike a folder without permissions."""
    (tmp_path / "a file").write_text("x")
    (tmp_path / "a folder").mkdir()
    (tmp_path / "locked.duckdb.lock").mkdir()
    warehouse = DuckDBWarehouse(tmp_path / where)
    with pytest.raises(WarehouseError, match=rf"(?s){re.escape(str(tmp_path / where))}.* → "):
        warehouse.prepare(TABLES)
    with pytest.raises(WarehouseError), warehouse.exclusive():
        warehouse.query("select 1")


def test_an_error_inside_exclusive_is_not_reported_as_a_warehouse_error(warehouse: DuckDBWarehouse) -> None:
    """Dbt runs inside the block, and its own files may be missing."""
    with pytest.raises(FileNotFoundError, match="dbt_project.yml"), warehouse.exclusive():
        raise FileNotFoundError("dbt_project.yml")


@pytest.mark.parametrize(
    "where", ["with spaces/a database.duckdb", "ümläut/größe.duckdb", "it's/100%.duckdb", "no_suffix"]
)
def test_a_database_can_use_any_path(tmp_path: Path, where: str) -> None:
    warehouse = DuckDBWarehouse(tmp_path / where)
    warehouse.prepare(TABLES)
    warehouse.commit([unit("a", 3)])
    assert whole_units(DuckDBWarehouse(tmp_path / where)) == {"a"}


def test_a_relative_path_and_a_link_mean_the_same_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative = DuckDBWarehouse(Path("warehouse.duckdb"))
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "warehouse.duckdb")
    monkeypatch.chdir("/")
    relative.prepare(TABLES)
    relative.commit([unit("a", 3)])
    linked = DuckDBWarehouse(tmp_path / "link.duckdb", lock_timeout_seconds=0.2)
    assert whole_units(linked) == {"a"}
    blocked: list[str] = []

    def wait() -> None:
        try:
            linked.query("select 1")
        except WarehouseError as error:
            blocked.append(str(error))

    with relative.exclusive():
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(HANG_SECONDS)
    assert len(blocked) == 1, "both queue on one lock"


def _commit_with_little_space(path: Path, pipe: Connection) -> None:
    warehouse = DuckDBWarehouse(path)
    space = 100_000  # less than the log of these rows; the database itself is larger already
    resource.setrlimit(resource.RLIMIT_FSIZE, (space, space))
    try:
        warehouse.commit([unit("fits", 10), unit("too big", 20_000), unit("never", 10)])
    except WarehouseError as error:
        pipe.send(str(error))
    else:
        pipe.send("no error")


def test_a_full_disk_keeps_committed_rows_and_gives_a_remedy(warehouse: DuckDBWarehouse, path: Path) -> None:
    warehouse.commit([unit("before", 10)])
    with process(_commit_with_little_space, path) as (_, pipe):
        assert re.search(
            rf"{re.escape(str(path))}.* → free space on that disk, then run again; this transaction", answer(pipe)
        )
    assert whole_units(warehouse) == {"before", "fits"}
    warehouse.commit([unit("too big", 20_000)])
    assert whole_units(warehouse) == {"before", "fits", "too big"}


def test_a_refused_unit_does_not_affect_earlier_units(
    warehouse: DuckDBWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    [rows, ledger] = unit("refused", 5).appends
    nowhere = Append(Table("never_prepared", "", LEDGER.schema), ledger.rows)
    once = Unit(unit("a", 5).appends, commit_key={"run": "a"})
    with pytest.raises(WarehouseError, match="never_prepared"):
        warehouse.commit([once, unit("b", 30_000), once, unit("c", 5), Unit([rows, nowhere, ledger]), unit("never", 5)])
    assert whole_units(warehouse) == {"a", "b", "c"}
    assert warehouse.query(f"select count(*) as n from {ROWS.id}").to_pylist() == [{"n": 30_010}]
    assert "never_prepared" in caplog.text and "each unit now gets its own" in caplog.text


def test_an_unreadable_file_does_not_affect_earlier_units(warehouse: DuckDBWarehouse) -> None:
    def parts() -> list[pa.Table]:
        raise OSError("the lake is gone")

    [rows, ledger] = unit("gone", 5).appends
    gone = Unit([Append(rows.table, LandedRows("lake/gone.parquet", 5, parts)), ledger])
    with pytest.raises(OSError, match="the lake is gone"):
        warehouse.commit([unit("a", 5), unit("b", 200_000), unit("c", 5), gone, unit("never", 5)])
    assert whole_units(warehouse) == {"a", "b", "c"}


def test_a_failing_rollback_does_not_hide_the_first_error(
    warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fatal error, DuckDB refuses the rollback too."""
    opened: list[duckdb.DuckDBPyConnection] = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *a, **k: opened.append(connect(*a, **k)) or opened[-1])

    def units() -> Iterator[Unit]:
        yield unit("a", 5)
        opened[-1].close()
        raise RuntimeError("the cause")

    with pytest.raises(RuntimeError, match="the cause"):
        warehouse.replace(units(), TABLES)
    assert whole_units(warehouse) == set()


# ---- time zones ------------------------------------------------------------------------------------------------------


def _commit_from_denver(path: Path, pipe: Connection) -> None:
    os.environ["TZ"] = "America/Denver"
    time.tzset()
    warehouse = DuckDBWarehouse(path)
    warehouse.prepare([SEEN])
    warehouse.commit([Unit([Append(SEEN, pa.table({"seen_at": [INSTANT]}, schema=SEEN.schema))])])
    pipe.send(warehouse.query(f"select seen_at from {SEEN.id} where seen_at = $at", {"at": INSTANT}).to_pylist())


SEEN = Table("seen", "Instants.", pa.schema([("seen_at", pa.timestamp("us", tz="UTC"))]))
INSTANT = datetime(2026, 7, 1, 23, 30, tzinfo=timezone.utc)


def test_an_instant_is_utc_on_a_machine_in_another_zone(path: Path) -> None:
    with process(_commit_from_denver, path) as (_, pipe):
        assert answer(pipe) == [{"seen_at": INSTANT.replace(tzinfo=None)}]
    assert DuckDBWarehouse(path).query(f"from {SEEN.id}").to_pylist() == [{"seen_at": INSTANT.replace(tzinfo=None)}]
