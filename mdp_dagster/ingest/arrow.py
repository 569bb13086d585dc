"""Values out of Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def values(column: pa.ChunkedArray) -> list[Any]:
    """As ``to_pylist``, but each value is made once: a date takes a microsecond, and days recur."""
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    distinct = encoded.dictionary.to_pylist()
    return [distinct[n] for n in encoded.indices.to_pylist()]
