"""Conversion of Arrow columns to Python values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def values(column: pa.ChunkedArray) -> list[Any]:
    """Returns the same as ``to_pylist``, but creates each distinct value once.

    Creating a date takes a microsecond, and the same days occur in many rows.
    """
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    distinct = encoded.dictionary.to_pylist()
    return [distinct[n] for n in encoded.indices.to_pylist()]
