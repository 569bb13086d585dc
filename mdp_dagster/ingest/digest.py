"""What a day's rows contain, in a few bytes: equal digests mean equal rows, in whatever order they came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.ingest.arrow import values

_FIELD, _ROW, _NULL = "\x1f", "\x1e", "\x00"
_TEXTS_TOGETHER = 10_000


class DayContent(NamedTuple):
    """How many rows a day has, and their digest."""

    row_count: int
    digest: str


def _digest(rows: list[str]) -> str:
    return hashlib.blake2b(_ROW.join(rows).encode(), digest_size=16).hexdigest()


EMPTY = DayContent(0, _digest([]))


def contents(rows: pa.Table, by: Sequence[str]) -> dict[tuple[Any, ...], DayContent]:
    """The content of each group of rows, by its values of the columns ``by``; all columns beside them count."""
    if rows.num_rows == 0:
        return {}
    table = rows.select(list(by)).append_column("row", _as_text(rows.drop_columns(list(by))))
    table = table.sort_by([(name, "ascending") for name in (*by, "row")])
    begins = _begins(table, by)
    counts = [end - begin for begin, end in zip(begins, [*begins[1:], table.num_rows], strict=True)]
    keys = zip(*(values(table.column(name).take(pa.array(begins))) for name in by), strict=True)
    digests = map(_digest, _lists(table.column("row"), counts))
    return dict(zip(keys, map(DayContent._make, zip(counts, digests, strict=True)), strict=True))


def _begins(rows: pa.Table, by: Sequence[str]) -> list[int]:
    """Where groups begin, in sorted rows."""
    changes = pa.chunked_array([pa.repeat(False, rows.num_rows - 1)])
    for column in (rows.column(name) for name in by):
        changes = pc.or_(changes, pc.not_equal(column.slice(1), column.slice(0, rows.num_rows - 1)))
    return [0, *pc.add(pc.indices_nonzero(changes), 1).to_pylist()]


def _lists(texts: pa.ChunkedArray, lengths: Sequence[int]) -> Iterator[list[str]]:
    """The texts in lists of these lengths. Taken out of Arrow many at a time, since each time costs; not all at once,
    since there may be millions."""
    taken: list[str] = []
    begin = end = 0
    for length in lengths:
        if begin + length > len(taken):
            begin, taken = 0, texts.slice(end, max(length, _TEXTS_TOGETHER)).to_pylist()
        yield taken[begin : begin + length]
        begin += length
        end += length


def _as_text(rows: pa.Table) -> pa.ChunkedArray:
    """Each row as one text that no other row has: text values stand behind their length, so that no separator
    inside of one can be taken for the end of it."""
    fields = []
    for column in rows.columns:
        if pa.types.is_string(column.type):
            fields.append(pc.cast(pc.binary_length(column), pa.string()))
        fields.append(pc.cast(column, pa.string()))
    return pc.binary_join_element_wise(*fields, _FIELD, null_handling="replace", null_replacement=_NULL)
