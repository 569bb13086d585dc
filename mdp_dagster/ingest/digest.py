"""A digest of a day's rows: two days have the same digest exactly when they have the same rows, in any order."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

_FIELD, _ROW, _NULL = "\x1f", "\x1e", "\x00"


class DayContent(NamedTuple):
    """The number of rows of a day, and their digest."""

    row_count: int
    digest: str


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
