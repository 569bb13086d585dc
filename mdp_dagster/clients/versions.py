"""Values that are valid from a day on: a budget rate until it is changed, the client of an account until it moves."""

from __future__ import annotations

import re
import reprlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WrapValidator

Value = TypeVar("Value")

TODAY = "today"
"""The key of today's date in pydantic's validation context. Without it, days in the future are valid."""


def _day(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, date) or value is None:
        return value
    try:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
            raise ValueError
        day = date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{reprlib.repr(value)} is not a valid day → write YYYY-MM-DD, as in 2026-07-01") from None
    if day == date.min:  # the first day of the calendar is the beginning, too
        return None
    today = (info.context or {}).get(TODAY)
    if today is not None and day > today:
        raise ValueError(f"{day} is in the future (today is {today}) → add it when that day has come")
    return day


FromDay = Annotated[date | None, BeforeValidator(_day)]
"""The first day of a version. None: it is valid from the beginning."""


class Version(BaseModel, Generic[Value]):
    """A value, and the first day on which it is valid (None: from the beginning)."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    value: Value
    valid_from: FromDay = Field(default=None, alias="from")


def _as_list(value: Any) -> Any:
    entries = value if isinstance(value, (list, tuple)) else [value]
    return [entry if isinstance(entry, (dict, Version)) else {"value": entry} for entry in entries]


def _in_order(versions: tuple[Version[Value], ...]) -> tuple[Version[Value], ...]:
    ordered = tuple(sorted(versions, key=lambda version: first_day(version.valid_from)))
    for earlier, later in pairwise(ordered):
        if earlier.valid_from == later.valid_from:
            if later.valid_from is None:
                raise ValueError("two values are valid from the beginning → add `from: YYYY-MM-DD` to the later one")
            raise ValueError(f"two values are valid from {later.valid_from} → keep one")
    return ordered


def _from_the_beginning(versions: tuple[Version[Value], ...]) -> tuple[Version[Value], ...]:
    if not versions:
        raise ValueError("there is not a value → write one")
    if versions[0].valid_from is not None:
        raise ValueError(
            f"there is not a value for the days before {versions[0].valid_from} → add the earlier value without `from:`"
        )
    return versions


AS_VERSIONS = WrapValidator(lambda value, handler: _in_order(handler(_as_list(value))))
"""For a tuple of versions in the order of their days. In the file: a value, or a list with `{value, from}` entries."""

AS_VERSIONS_FROM_THE_BEGINNING = WrapValidator(
    lambda value, handler: _from_the_beginning(_in_order(handler(_as_list(value))))
)
"""For the versions of a value that every day needs."""


def first_day(valid_from: date | None) -> date:
    """Returns a version's first day, which is the calendar's first one for a version from the beginning."""
    return date.min if valid_from is None else valid_from


def valid_on(versions: Sequence[Version[Value]], day: date) -> Value | None:
    """Returns the value that is valid on the day; None before the first version. The versions are in order."""
    begun = bisect_right(versions, day, key=lambda version: first_day(version.valid_from))
    return versions[begun - 1].value if begun else None


def days_of_change(*histories: Iterable[Version[Any]]) -> set[date]:
    """Returns the first day of every version."""
    return {first_day(version.valid_from) for versions in histories for version in versions}
