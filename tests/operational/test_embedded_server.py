"""The embedded PostgreSQL: started once, reused by others, and stopped by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from mdp_dagster.operational import embedded_server, server_programs
from mdp_dagster.operational.embedded_server import (
    EmbeddedServerError,
    ensure_server,
    running,
    running_server,
    stop_server,
)
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.operational.postgres import store_address
from mdp_dagster.operational.server_programs import reachable_folder, server_user
from mdp_dagster.operational.server_users import server_stopped_afterwards
from mdp_dagster.settings import Settings


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The folder of one server, for all tests here: making its data is what takes time."""
    folder = Path(tempfile.mkdtemp(prefix="mdp-postgres-"))
    yield folder
    stop_server(folder)
    shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can pass through, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="mdp-postgres-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def value_in(url: str, *statements: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        *before, last = statements
        for statement in before:
            connection.execute(statement)
        return connection.execute(last).fetchone()[0]  # type: ignore[index]


def test_the_last_command_that_uses_a_server_stops_it(folder: Path) -> None:
    with server_stopped_afterwards(folder):
        with server_stopped_afterwards(folder):
            ensure_server(folder)
        assert running(folder) is not None
    assert running(folder) is None
    with server_stopped_afterwards(folder / "data" / "PG_VERSION" / "no-folder"):
        pass


def test_one_server_for_all_who_need_it_and_its_data_stays(folder: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        servers = set(pool.map(lambda _: ensure_server(folder), range(3)))
    [server] = servers
    assert value_in(server.url, "create table kept (n int)", "insert into kept values (7) returning n") == 7
    assert value_in(server.url, "show listen_addresses") == "127.0.0.1"
    with running_server(folder) as same:
        assert same == server
    assert running(folder) == server, "a block must not stop a server that it found"

    os.kill(server.pid, signal.SIGKILL)  # the data survives, and the file of the dead server does no harm
    assert running(folder) is None
    with running_server(folder) as again:
        assert again.pid != server.pid
        assert value_in(again.url, "select n from kept") == 7
    assert running(folder) is None
    stop_server(folder)  # a second time


def test_only_the_password_in_the_folder_opens_it(folder: Path) -> None:
    server = ensure_server(folder)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace(server.password, "guess"))
    assert (folder / "password").stat().st_mode & 0o077 == 0
    assert (folder / "data").stat().st_mode & 0o077 == 0


def test_a_process_id_that_belongs_to_another_program_is_left_alone(folder: Path) -> None:
    stop_server(folder)
    lines = (str(os.getpid()), str(folder / "data"), "1700000000", "5432", "", "127.0.0.1", "", "ready")
    (folder / "data" / "postmaster.pid").write_text("\n".join(lines))
    stop_server(folder)
    assert ensure_server(folder).pid != os.getpid()


def test_data_that_these_programs_can_not_use(folder: Path) -> None:
    stop_server(folder)
    version = folder / "data" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(EmbeddedServerError, match="made by PostgreSQL 12, but version 18 .*→ move the folder away"):
        ensure_server(folder)
    version.write_text("18\n")
    (folder / "data" / "postgresql.auto.conf").write_text("shared_buffers = 'much'\n")
    with pytest.raises(EmbeddedServerError, match=f"PostgreSQL in {folder} does not start: .*→ see {folder}/log"):
        ensure_server(folder)
    (folder / "data" / "postgresql.auto.conf").write_text("")
    ensure_server(folder)


def test_a_server_that_another_user_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_server(folder)
    user = server_user()
    monkeypatch.setattr(os, "geteuid", lambda: 4_321)
    if user is not None:
        monkeypatch.setattr(embedded_server, "server_user", lambda: None)
    with pytest.raises(EmbeddedServerError, match=r"belongs to the user with the id \d+, but PostgreSQL runs as 4321"):
        ensure_server(folder)


def test_without_the_programs_the_setting_is_needed(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdp_dagster.operational.server_programs._PACKAGE", "not_installed")
    settings = Settings.model_construct(duckdb_path=open_folder / "warehouse.duckdb")
    with pytest.raises(StoreError, match="not installed here → set MDP_SHOP_POSTGRES_URL to your PostgreSQL server"):
        store_address(settings)


def test_a_folder_that_is_a_file(open_folder: Path) -> None:
    (open_folder / "postgres").write_text("")
    settings = Settings.model_construct(duckdb_path=open_folder / "warehouse.duckdb", shop_postgres_url=None)
    with pytest.raises(StoreError, match="can't be used: .*→ free space or correct"):
        store_address(settings)


def test_data_of_a_folder_that_the_servers_user_can_not_reach_is_elsewhere(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's home is closed to others, and root's server runs as the user nobody."""
    shared = open_folder / "shared"
    shared.mkdir()
    (open_folder / "home").mkdir(mode=0o700)
    monkeypatch.setattr(server_programs, "_SHARED", shared)
    monkeypatch.setattr(server_programs, "server_user", lambda: server_programs.ServerUser(65_534, 65_534))
    reachable, elsewhere = (reachable_folder(open_folder / name / "postgres") for name in ("shared", "home"))
    assert reachable == open_folder / "shared" / "postgres"
    assert elsewhere.parent == shared and elsewhere.stat().st_mode & 0o777 == 0o711
    assert reachable_folder(open_folder / "home" / "postgres") == elsewhere
    elsewhere.rmdir()
    elsewhere.symlink_to(open_folder)
    with pytest.raises(PermissionError, match="belongs to another user"):
        reachable_folder(open_folder / "home" / "postgres")
