"""PostgreSQL's errors in the store's words: the server, the cause, the remedy. They contain no secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import conninfo

from mdp_dagster.operational.errors import StoreError

_ADDRESS = "postgresql://user:password@host:5432/database"

_SIGN_IN = "correct the user and the password in MDP_SHOP_POSTGRES_URL"
_NAME = "create it, or correct its name in MDP_SHOP_POSTGRES_URL"
_PRIMARY = "set MDP_SHOP_POSTGRES_URL to the primary server: this one only reads"
_DISK = "free space on the server's disk, then run again"
_STARTING = "start the server, or wait until it has started, then run again"
_LIMITS = "give the server more memory, disk or connections, then run again"

# By the beginning of the SQLSTATE.
_REMEDIES_BY_STATE = {
    "28": _SIGN_IN,
    "3D000": _NAME,
    "25006": _PRIMARY,
    "53100": _DISK,
    "53": _LIMITS,
    "42501": "grant the user the right to create the schema `shop` in this database and to write to it",
    "55P03": "another sync of this shop has held its lock for too long: end it, then run again",
    "57P": _STARTING,
    "40": "run again: another process was writing the same rows",
}
# By the words of an error without a SQLSTATE, which is every error of a connection that failed.
_REMEDIES_BY_WORDS = {
    "authentication failed": _SIGN_IN,
    "no password supplied": "add the password to MDP_SHOP_POSTGRES_URL",
    "does not exist": _NAME,
    "No space left": _DISK,
    "read-only": _PRIMARY,
    "starting up": _STARTING,
    "shutting down": _STARTING,
    "too many": _LIMITS,
}
_UNREACHABLE = "start PostgreSQL, or correct host and port in MDP_SHOP_POSTGRES_URL"


@dataclass(frozen=True)
class Address:
    """The address of a database.

    Args:
        url: The address for the drivers, with its password.
        display_name: The address for messages: host, port and database.
        password: The password, or an empty text.
    """

    url: str = field(repr=False)
    display_name: str
    password: str = field(repr=False)


def read_address(url: str) -> Address:
    """Returns the parts of an address.

    Raises:
        StoreError: The address is not valid. The message does not contain any part of it: a password with unescaped
            characters can be anywhere in it.
    """
    failure = StoreError(
        f"MDP_SHOP_POSTGRES_URL is not a valid address → use {_ADDRESS}, and in the password %40 for @, %2F for /, "
        "%3A for :, %23 for # and %25 for %"
    )
    if not url.startswith(("postgresql://", "postgres://")):
        raise failure
    try:
        parts = conninfo.conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError, ValueError):
        raise failure from None
    host, port = str(parts.get("host") or "localhost"), str(parts.get("port") or 5432)
    database = str(parts.get("dbname") or parts.get("user") or "")
    if "@" in host + database or not port.replace(",", "").isdecimal():  # parts of a password that was not escaped
        raise failure
    return Address(url, f"PostgreSQL at {host}:{port}/{database}", str(parts.get("password") or ""))


@contextmanager
def translated_errors(address: Address) -> Iterator[None]:
    """Raises ``StoreError`` in place of every error of the drivers."""
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(_message(address, str(error), error.sqlstate)) from None


def store_error(address: Address, error: Exception) -> StoreError:
    """Returns the store's error for an error of another driver. ADBC's errors have a SQLSTATE too."""
    return StoreError(_message(address, str(error), getattr(error, "sqlstate", None)))


def _message(address: Address, text: str, sqlstate: str | None) -> str:
    words = " ".join(text.split())
    if address.password:
        words = words.replace(address.password, "***")
    return f"{address.display_name}: {words} → {_remedy(words, sqlstate)}; nothing was committed"


def _remedy(words: str, sqlstate: str | None) -> str:
    if sqlstate is None or sqlstate.startswith("08"):
        return next((remedy for sign, remedy in _REMEDIES_BY_WORDS.items() if sign in words), _UNREACHABLE)
    found = (remedy for sign, remedy in _REMEDIES_BY_STATE.items() if sqlstate.startswith(sign))
    return next(found, "see the message; run again")
