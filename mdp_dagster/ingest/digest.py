"""What a day's rows contain, in a few bytes: equal digests mean equal rows, in whatever order they came."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

_FIELD, _ROW, _NULL = "\x1f", "\x1e", "\x00"


@dataclass(frozen=True)
class DayContent:
    """How many rows a day has, and their digest."""

    row_count: int
    digest: str


def _digest(rows: list[str]) -> str:
    return hashlib.blake2b(_ROW.join(rows).encode(), digest_size=16).hexdigest()


EMPTY = DayContent(0, _digest([]))


def day_contents(rows: pa.Table) -> dict[date, DayContent]:
    """The content of each day that has rows. ``rows`` has a ``date`` column; all columns beside it count."""
    if rows.num_rows == 0:
        return {}
    table = pa.table({"date": rows.column("date"), "row": _as_text(rows.drop_columns(["date"]))})
    table = table.sort_by([("date", "ascending"), ("row", "ascending")])
    # runs of equal days, now that they are sorted
    counts = pc.value_counts(table.column("date"))
    contents, offset = {}, 0
    texts = table.column("row")
    for entry in sorted(counts.to_pylist(), key=lambda e: e["values"]):
        contents[entry["values"]] = DayContent(
            entry["counts"], _digest(texts.slice(offset, entry["counts"]).to_pylist())
        )
        offset += entry["counts"]
    return contents


def _as_text(rows: pa.Table) -> pa.ChunkedArray:
    """Each row as one text that no other row has: text values stand behind their length, so that no separator
    inside of one can be taken for the end of it."""
    fields = []
    for column in rows.columns:
        if pa.types.is_string(column.type):
            fields.append(pc.cast(pc.binary_length(column), pa.string()))
        fields.append(pc.cast(column, pa.string()))
    return pc.binary_join_element_wise(*fields, _FIELD, null_handling="replace", null_replacement=_NULL)
