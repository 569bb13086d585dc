"""The lines of a landed file."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO

from mdp_dagster.connectors.errors import AccountError

_BUFFER_BYTES = 1 << 18


def landed_lines(content: IO[bytes], name: str) -> Iterator[bytes]:
    """Yields the lines of a file that was compressed with gzip, without holding the file in memory.

    Args:
        content: The file, opened for reading. It is closed at the end.
        name: The file's name in messages.

    Raises:
        AccountError: The file is damaged.
    """
    try:
        with content, gzip.GzipFile(fileobj=content) as packed:
            yield from io.BufferedReader(packed, _BUFFER_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        remedy = "move it out of the lake, and run the sync again for its window"
        raise AccountError(f"{name} in the lake is damaged: {error}", remedy) from error
