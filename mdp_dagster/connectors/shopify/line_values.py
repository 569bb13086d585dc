"""The values of a line in the form that the store takes. Each check names what is wrong."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

_MOST_DIGITS = 19
_BIGINT = 2**63
_INTEGER = 2**31
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII).fullmatch
_AMOUNT = re.compile(r"-?\d{1,16}(?:\.\d{1,4}0*)?", re.ASCII).fullmatch  # the store's column is numeric(20, 4)
_CURRENCY = re.compile(r"[A-Z]{3}").fullmatch
_REPLACEMENT = "\ufffd"
_REFUSED_BY_STORE = re.compile("[\x00\ud800-\udfff]")


class RowError(ValueError):
    """A row breaks a rule. The text is the reason."""


def id_number(gid: Any, what: str) -> int:
    """Returns the number at the end of an id such as ``gid://shopify/Order/1``."""
    if isinstance(gid, str):
        digits = gid[gid.rfind("/") + 1 :]
        if not digits.isdecimal():
            digits = digits.partition("?")[0]
        if digits.isdecimal() and len(digits) <= _MOST_DIGITS and gid.isascii():
            number = int(digits)
            if number < _BIGINT:
                return number
    raise RowError(f"{what} is missing" if gid is None or gid == "" else f"{what} is unreadable")


def optional_id(node: Any, what: str) -> int | None:
    """Returns the number of an object's id; None without an object."""
    return None if node is None else id_number(node.get("id"), what)


def instant(value: Any, what: str) -> str:
    """Returns a time as it was sent."""
    if isinstance(value, str) and _INSTANT(value):
        try:
            datetime.fromisoformat(value[:19])
        except ValueError:  # the 30th of February
            pass
        else:
            return value
    raise RowError(f"{what} is missing" if value is None else f"{what} is unreadable")


def optional_instant(value: Any, what: str) -> str | None:
    """Returns a time as it was sent; None if there is none."""
    return None if value is None else instant(value, what)


def amount(money: Any, what: str) -> str:
    """Returns the amount of a ``MoneyBag`` in the shop's currency, as it was sent."""
    value = money["shopMoney"]["amount"] if isinstance(money, dict) else None
    return decimal(value, what)


def decimal(value: Any, what: str) -> str:
    """Returns an amount as it was sent."""
    if isinstance(value, str) and _AMOUNT(value):
        return value
    raise RowError(f"{what} is missing" if value is None else f"{what} is unreadable")


def currency(value: Any, what: str) -> str:
    """Returns a currency code of three capital letters."""
    if isinstance(value, str) and _CURRENCY(value):
        return value
    raise RowError(f"{what} is missing" if value is None else f"{what} is not three capital letters")


def quantity(value: Any, what: str) -> int:
    """Returns a whole number."""
    if type(value) is int and -_INTEGER <= value < _INTEGER:
        return value
    raise RowError(f"{what} is missing" if value is None else f"{what} is unreadable")


def flag(value: Any, what: str) -> bool:
    """Returns true or false."""
    if value is True or value is False:
        return value is True
    raise RowError(f"{what} is missing" if value is None else f"{what} is unreadable")


def text(value: Any, what: str) -> str | None:
    """Returns a text; None if there is none."""
    if value is None or isinstance(value, str):
        return value
    raise RowError(f"{what} is unreadable")


def word(value: Any, what: str) -> str:
    """Returns a text that must be there, such as a status."""
    if isinstance(value, str) and value:
        return value
    raise RowError(f"{what} is missing" if value is None else f"{what} is unreadable")


def storable(value: Any) -> Any:
    """Returns parsed JSON without the characters that PostgreSQL refuses: NUL, and half a surrogate pair."""
    if isinstance(value, str):
        return _REFUSED_BY_STORE.sub(_REPLACEMENT, value)
    if isinstance(value, dict):
        return {key: storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    return value
