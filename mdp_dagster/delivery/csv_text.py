"""The text of CSV records (RFC 4180): commas, quotes where a value needs them, LF, and an empty field for null.

Numbers have a dot, no exponent and no superfluous zeros; days are ISO 8601; booleans are ``true`` and ``false``. Arrow
does all the work, a column at a time, because a Python object for each value takes much longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

_MOST_DECIMALS = 6  # Arrow writes a decimal with more digits after the dot as 0E-9
_NEEDS_QUOTES = '[",\r\n]|^ | $'
# Control characters break readers of CSV. Tabs and line ends stay.
_CONTROL = "[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]|\\x00"
_REPLACEMENT = "\ufffd"


def header(columns: Sequence[str]) -> bytes:
    """Returns the first line of a file."""
    return (",".join(columns) + "\n").encode()


def records(batch: pa.RecordBatch) -> bytes:
    """Returns the lines of a batch's rows. The batch has at least two columns and one row."""
    lines = pc.binary_join_element_wise(
        *(_text(column) for column in batch.columns), ",", null_handling="replace", null_replacement=""
    )
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return bytes(pc.binary_join(whole, "\n")[0].as_buffer()) + b"\n"


def _text(column: pa.Array) -> pa.Array:
    """Returns the fields of a column. Null stays null."""
    kind = column.type
    if pa.types.is_decimal(kind):
        return _decimal_text(column)
    if pa.types.is_floating(kind):
        return _float_text(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _quoted(pc.cast(column, pa.string()))
    return pc.cast(column, pa.string())


def _decimal_text(column: pa.Array) -> pa.Array:
    if column.type.scale > _MOST_DECIMALS:
        rounded = pc.round(pc.cast(column, pa.decimal128(38, column.type.scale)), _MOST_DECIMALS)
        column = pc.cast(rounded, pa.decimal128(38, _MOST_DECIMALS))
    text = pc.cast(column, pa.string())
    if column.type.scale <= 0:
        return text
    return pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")


def _float_text(column: pa.Array) -> pa.Array:
    """Returns the shortest text that is the same number. Null for infinity and for values that are not numbers."""
    finite = pc.if_else(pc.is_finite(column), column, None)
    text = pc.cast(pc.add(finite, 0.0), pa.string())  # adding zero makes -0.0 a plain zero
    if pc.any(pc.match_substring(text, "e")).as_py():
        plain = [None if value is None else format(Decimal(value), "f") for value in text.to_pylist()]
        text = pa.array(plain, pa.string())
    return pc.replace_substring_regex(text, r"\.0$", "")


def _quoted(text: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(text, _CONTROL)).as_py():
        text = pc.replace_substring_regex(text, _CONTROL, _REPLACEMENT)
    special = pc.match_substring_regex(text, _NEEDS_QUOTES)
    if not pc.any(special).as_py():
        return text
    doubled = pc.replace_substring(text, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)
