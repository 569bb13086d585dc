"""Searches for secrets in all files of a round, also in compressed ones, and in the command lines of its processes.

It finds secrets in plain text, in base64 and percent-encoded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from chaos.processes import marked_processes

_SECRET_VARIABLES = ("GOOGLE_ADS_DEVELOPER_TOKEN", "META_ACCESS_TOKEN", "META_APP_SECRET")
_ACCESS_TOKEN_PREFIX = b"ya29."  # Google's access tokens start with this, including the sandbox's
_PRIVATE_KEY = b"PRIVATE KEY"
_ASSERTION = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")  # signed by a service account to get a token
_LOOK_SECONDS = 0.5


def secrets_of(environment: Mapping[str, str]) -> dict[str, bytes]:
    """The secrets that must not occur anywhere, by name."""
    found = {name: environment[name].encode() for name in _SECRET_VARIABLES}
    secret, token = found["META_APP_SECRET"], found["META_ACCESS_TOKEN"]
    found["appsecret_proof"] = hmac.new(secret, token, hashlib.sha256).hexdigest().encode()
    key = json.loads(Path(environment["GOOGLE_ADS_JSON_KEY_FILE_PATH"]).read_text())["private_key"].splitlines()
    found["the private key"] = key[len(key) // 2].encode()
    found |= {"a private key's frame": _PRIVATE_KEY, "an access token of Google's": _ACCESS_TOKEN_PREFIX}
    return {name: form for known, secret in found.items() for name, form in _forms(known, secret)}


def _forms(name: str, secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, secret
    if (quoted := quote(secret, safe="").encode()) != secret:
        yield f"{name}, percent-encoded", quoted
    for before in range(3):
        # Characters that depend on the neighbouring bytes are omitted.
        encoded = base64.b64encode(bytes(before) + secret)[(0, 2, 3)[before] :].rstrip(b"=")
        whole = encoded[: -1 if (before + len(secret)) % 3 else None]
        if len(whole) >= 8:  # shorter ones occur by chance
            yield f"{name}, in base64 {before}", whole
            yield f"{name}, in base64 {before} for addresses", whole.translate(bytes.maketrans(b"+/", b"-_"))


def leaks(folders: list[Path], secrets: Mapping[str, bytes]) -> list[str]:
    """The files that contain a secret, and those that can't be searched."""
    found = []
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    for path in paths:
        found += [f"{name} is in {path}" for name in _found_in(path.read_bytes(), secrets)]
    for path in (
        path for path in paths if path.exists()
    ):  # in a second pass: opening a database removes the files of a kill
        try:
            for content in _unpacked(path):
                found += [f"{name} is in {path}" for name in _found_in(content, secrets)]
        except (duckdb.Error, sqlite3.Error) as error:
            found.append(f"can't be searched for secrets: {path}: {error}")
    return list(dict.fromkeys(found))


def _found_in(content: bytes, secrets: Mapping[str, bytes]) -> Iterator[str]:
    yield from (name for name, secret in secrets.items() if secret in content)
    if _ASSERTION.search(content):
        yield "a signed assertion"


def _unpacked(path: Path) -> Iterator[bytes]:
    """The content of a compressed file or a database."""
    if path.suffix == ".parquet":
        with suppress(pa.ArrowException, OSError):  # a kill may have left a partial file
            table = pq.read_table(path)
            yield repr(table.schema.metadata).encode() + repr(table.to_pylist()).encode()
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            for schema, name in connection.execute("select schema_name, table_name from duckdb_tables()").fetchall():
                yield repr(connection.execute(f'select * from "{schema}"."{name}"').fetchall()).encode()
    elif path.suffix == ".db":
        with closing(sqlite3.connect(path)) as connection:
            yield "\n".join(connection.iterdump()).encode()


class CommandLineWatch:
    """Regularly searches the command lines of all processes, which every user of the machine can read."""

    def __init__(self, mark: str, secrets: Mapping[str, bytes]) -> None:
        self._mark = mark
        self._secrets = secrets
        self._last_look = 0.0
        self.found: set[str] = set()

    def look(self) -> None:
        """Search the command lines, unless the last search was a moment ago."""
        if time.monotonic() > self._last_look + _LOOK_SECONDS:
            self._last_look = time.monotonic()
            for command in marked_processes(self._mark, ()).values():
                self.found |= {
                    f"{name} is in a command line: {command[:80]}"
                    for name in _found_in(command.encode(), self._secrets)
                }
