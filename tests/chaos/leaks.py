"""Secrets in what a round left: in every file, and in what files hold compressed."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

_NAMED = ("GOOGLE_ADS_DEVELOPER_TOKEN", "META_ACCESS_TOKEN", "META_APP_SECRET")
_GIVEN_OUT = b"ya29."  # how Google's access tokens begin, the sandbox's too
_PRIVATE_KEY = b"PRIVATE KEY"


def secrets_of(environment: Mapping[str, str]) -> dict[str, bytes]:
    """What must stand nowhere, by the name to tell it by."""
    found = {name: environment[name].encode() for name in _NAMED}
    secret, token = found["META_APP_SECRET"], found["META_ACCESS_TOKEN"]
    found["appsecret_proof"] = hmac.new(secret, token, hashlib.sha256).hexdigest().encode()
    key = json.loads(Path(environment["GOOGLE_ADS_JSON_KEY_FILE_PATH"]).read_text())["private_key"].splitlines()
    found["the private key"] = key[len(key) // 2].encode()
    return {**found, "a private key's frame": _PRIVATE_KEY, "an access token of Google's": _GIVEN_OUT}


def leaks(folders: list[Path], secrets: Mapping[str, bytes]) -> list[str]:
    """Where a secret stands."""
    found = []
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            for content in _contents(path):
                found += [f"{name} stands in {path}" for name, secret in secrets.items() if secret in content]
    return list(dict.fromkeys(found))


def _contents(path: Path) -> Iterator[bytes]:
    """The file's bytes, and its text where these aren't plain."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        with suppress(pa.ArrowException, OSError):  # a kill may have left half of it
            table = pq.read_table(path)
            yield repr(table.schema.metadata).encode() + repr(table.to_pylist()).encode()
    elif path.suffix == ".duckdb":
        with suppress(duckdb.Error), duckdb.connect(str(path), read_only=True) as connection:
            for schema, name in connection.execute("select schema_name, table_name from duckdb_tables()").fetchall():
                yield repr(connection.execute(f'select * from "{schema}"."{name}"').fetchall()).encode()
    elif path.suffix == ".db":
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            yield "\n".join(connection.iterdump()).encode()
