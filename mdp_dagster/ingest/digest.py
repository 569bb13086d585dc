"""Two digests of a day: one of all its rows, and one of only the amounts that marts show.

Two days have the same digest of rows exactly when they have the same rows, in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

_FIELD, _ROW, _NULL = "\x1f", "\x1e", "\x00"


# As many as the marts show.
_DECIMAL_PLACES = 9


class DayContent(NamedTuple):
    """The number of rows of a day, their digest, and the digest of their amounts (account totals only)."""

    row_count: int
    digest: str
    amounts_digest: str | None = None


def _digest(rows: list[str]) -> str:
    return hashlib.blake2b(_ROW.join(rows).encode(), digest_size=16).hexdigest()


EMPTY = DayContent(0, _digest([]))


def day_contents(rows: pa.Table) -> dict[date, DayContent]:
    """Returns the content of each day. The day is in the column ``date``; the digest covers all other columns."""
    if rows.num_rows == 0:
        return {}
    texts = _as_text(rows.drop_columns(["date"]))
    table = pa.table({"date": rows.column("date"), "row": texts})
    table = table.sort_by([("date", "ascending"), ("row", "ascending")]).combine_chunks()
    contents, begin = {}, 0
    for entry in pc.value_counts(table.column("date")).to_pylist():  # in the order of the sorted rows
        day, count = entry["values"], entry["counts"]
        contents[day] = DayContent(count, _digest(table.column("row").slice(begin, count).to_pylist()))
        begin += count
    return contents


def _as_text(rows: pa.Table) -> pa.ChunkedArray:
    """Returns one text for each row, and different texts for different rows.

    The length of a text value precedes it, so that a separator inside a value cannot be mistaken for its end.
    """
    fields = []
    for column in rows.columns:
        if pa.types.is_string(column.type):
            fields.append(pc.cast(pc.binary_length(column), pa.string()))
        fields.append(pc.cast(column, pa.string()))
    return pc.binary_join_element_wise(*fields, _FIELD, null_handling="replace", null_replacement=_NULL)


def amounts_digest(amounts: Mapping[str, float], options: Mapping[str, str]) -> str:
    """Returns a digest of a day's amounts: names, statuses and other columns of the rows do not change it.

    Args:
        amounts: The day's sums, by the amount's name. A sum of 0 counts as one that is not there.
        options: The account's options, which decide what counts as a conversion. They are a part of the digest.
    """
    rounded = {name: round(amount, _DECIMAL_PLACES) for name, amount in amounts.items()}
    return _of_options(options) + _short(f"{name}={amount}" for name, amount in sorted(rounded.items()) if amount)


def same_amounts(one: str | None, other: str | None, options: Mapping[str, str]) -> bool:
    """Returns whether two digests show that the amounts are the same. False if it is not known.

    It is not known without a digest, and if a digest was computed with other options of the account than ``options``.
    """
    return one is not None and one == other and one.startswith(_of_options(options))


def _of_options(options: Mapping[str, str]) -> str:
    return _short(f"{name}={value}" for name, value in sorted(options.items()))


def _short(texts: Iterable[str]) -> str:
    return hashlib.blake2b(_FIELD.join(texts).encode(), digest_size=8).hexdigest()
