"""Google Ads' protobuf rows into Arrow columns.

Raw protobuf and one C-level loop per column: several times faster than reading attributes of proto-plus rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import pyarrow as pa

from mdp_dagster.connectors.base import ColumnType, Report
from mdp_dagster.connectors.google_ads.reports import gaql_field

ROWS_PER_BATCH = 10_000
# Reading makes a Python object per message; few at a time die young, which spares the garbage collector.
_SLICE_ROWS = 500


class RowGatherer:
    """Gathers the rows of one try. What is missing in a row arrives as protobuf's default: in the key and in
    text that means null here, so that ingest judges it; in metrics it is 0, as every reader of the API has
    it."""

    def __init__(self, report: Report, batch_rows: int = ROWS_PER_BATCH) -> None:
        self._report = report
        self._batch_rows = batch_rows
        self._readers: list[tuple[str, Callable[[Sequence[Any]], Iterable[Any]]]] | None = None
        self._columns: list[list[Any]] = [[] for _ in report.columns]
        self._batches: list[pa.RecordBatch] = []
        self.row_count = 0

    def add(self, rows: Sequence[Any]) -> None:
        """Take the ``GoogleAdsRow`` messages of one streamed answer."""
        if rows and self._readers is None:
            self._readers = _readers(self._report, rows[0].DESCRIPTOR)
        for start in range(0, len(rows), _SLICE_ROWS):
            self._read(rows[start : start + _SLICE_ROWS])
        self.row_count += len(rows)
        if len(self._columns[0]) >= self._batch_rows:
            self._flush()

    def _read(self, rows: Sequence[Any]) -> None:
        parents: dict[str, list[Any]] = {}
        for (resource, read), values in zip(self._readers or (), self._columns, strict=True):
            if resource not in parents:
                parents[resource] = list(map(attrgetter(resource), rows))
            values.extend(read(parents[resource]))

    def batches(self) -> list[pa.RecordBatch]:
        """Everything gathered."""
        self._flush()
        return self._batches

    def _flush(self) -> None:
        if not self._columns[0]:
            return
        schema = self._report.schema
        arrays = [pa.array(values, field.type) for values, field in zip(self._columns, schema, strict=True)]
        self._batches += pa.Table.from_arrays(arrays, schema=schema).to_batches(max_chunksize=self._batch_rows)
        self._columns = [[] for _ in self._report.columns]


def _readers(report: Report, row: Any) -> list[tuple[str, Callable[[Sequence[Any]], Iterable[Any]]]]:
    """Per column: the resource that it belongs to, and what reads it from a list of that resource."""
    readers: list[tuple[str, Callable[[Sequence[Any]], Iterable[Any]]]] = []
    for column in report.columns:
        resource, field = gaql_field(column.name).split(".", 1)
        enum = row.fields_by_name[resource].message_type.fields_by_name[field].enum_type
        if enum is not None:
            readers.append((resource, _enum_reader(field, enum)))
        elif column.name in report.key or column.type is ColumnType.STRING:
            readers.append((resource, _nullable_reader(field)))
        else:
            readers.append((resource, _reader(field)))
    return readers


def _reader(field: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    get = attrgetter(field)
    return lambda messages: map(get, messages)


def _nullable_reader(field: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    get = attrgetter(field)
    return lambda messages: [value or None for value in map(get, messages)]


def _enum_reader(field: str, enum: Any) -> Callable[[Sequence[Any]], Iterable[str]]:
    get = attrgetter(field)
    names = _EnumNames({number: value.name for number, value in enum.values_by_number.items()})
    return lambda messages: [names[number] for number in map(get, messages)]


class _EnumNames(dict[int, str]):
    """Enum names by number. A number newer than the installed SDK keeps its number, as ``UNKNOWN_<n>``."""

    def __missing__(self, number: int) -> str:
        return f"UNKNOWN_{number}"
