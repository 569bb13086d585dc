"""Writes one Parquet file of the lake, a part at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mdp_dagster.lake.files import NewFile

METADATA_KEY = b"mdp"
# Bytes in memory before a row group is written: many small parts become one row group.
_ROW_GROUP_BYTES = 8 * 1024 * 1024


class LakeWriter:
    """A Parquet file that grows part by part, and appears in the lake when it is complete.

    Not safe for threads: the caller adds one part at a time.
    """

    def __init__(self, file: NewFile, schema: pa.Schema, failed: Callable[[Exception], Exception]) -> None:
        """Writes nothing yet.

        Args:
            file: The new file.
            schema: The columns of all parts.
            failed: Turns an error of the file system or of Arrow into the lake's error.
        """
        self._file = file
        self._schema = schema
        self._failed = failed
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._failure: Exception | None = None
        try:
            # Without checksums, a flipped bit on the disk would silently change numbers.
            self._parquet = pq.ParquetWriter(file.content, schema, compression="zstd", write_page_checksum=True)
        except (OSError, pa.ArrowException) as error:
            file.discard()
            raise failed(error) from error

    def add(self, rows: pa.Table) -> None:
        """Adds rows. Memory holds at most one row group of them.

        Raises:
            LakeError: For example a full disk. No part of the file remains.
        """
        self._waiting.append(rows)
        self._waiting_bytes += rows.nbytes
        self._guarded(self._write_large_group)

    def finish(self, path: str, metadata: dict[str, Any]) -> None:
        """Makes the file appear at a path.

        Raises:
            LakeError: For example a missing permission. No part of the file remains.
        """

        def finish() -> None:
            self._write_waiting()
            self._parquet.add_key_value_metadata({METADATA_KEY: json.dumps(metadata).encode()})
            self._parquet.close()
            self._file.finish(path)

        self._guarded(finish)

    def discard(self) -> None:
        """Removes what was written. Does nothing after ``finish``."""
        with suppress(Exception):  # the file is removed in any case
            self._parquet.close()
        self._file.discard()

    def _write_large_group(self) -> None:
        if self._waiting_bytes >= _ROW_GROUP_BYTES:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if rows := [table for table in self._waiting if table.num_rows]:
            self._parquet.write_table(pa.concat_tables(rows))
        self._waiting, self._waiting_bytes = [], 0

    def _guarded(self, action: Callable[[], None]) -> None:
        if self._failure is not None:  # another thread's part could not be written
            raise self._failure
        try:
            action()
        except (OSError, pa.ArrowException) as error:
            self.discard()
            self._failure = self._failed(error)
            raise self._failure from error
        except BaseException:
            self.discard()
            raise
