"""Google Ads' answers into Arrow columns, from the wire, without a Python object per row.

An answer is read by a message type that has the report's fields alone, with the numbers that the SDK's types give them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import descriptor_pb2, descriptor_pool
from ptars import HandlerPool

from mdp_dagster.connectors.base import ColumnType, Report
from mdp_dagster.connectors.errors import TransientError
from mdp_dagster.connectors.google_ads.reports import gaql_field
from mdp_dagster.connectors.google_ads.search_stream import Answer

ROWS_PER_BATCH = 10_000

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "mdp"


class RowGatherer:
    """Gathers the rows of one try.

    A missing value arrives as protobuf's default. In the key and in text it becomes null, which ingest checks. In
    metrics it stays 0.
    """

    def __init__(self, report: Report, batch_rows: int = ROWS_PER_BATCH) -> None:
        self._report = report
        self._batch_rows = batch_rows
        self._batches: list[pa.RecordBatch] = []

    def add(self, answer: Answer) -> None:
        """Take one streamed answer. Raises ``TransientError`` for one that can't be read."""
        read = _reader(self._report, answer.type.DESCRIPTOR)
        try:
            batch = read(answer.payload)
        except Exception as error:  # ptars has no error class for bytes that are not such a message
            words = str(error)
        else:
            self._batches.append(batch)
            return
        raise TransientError(f"an answer of Google Ads can't be read: {words}")

    def batches(self) -> list[pa.RecordBatch]:
        """All gathered rows."""
        whole = pa.Table.from_batches(self._batches, self._report.schema)
        return [batch for batch in whole.combine_chunks().to_batches(self._batch_rows) if batch.num_rows]


@lru_cache(maxsize=16)
def _reader(report: Report, answer: Any) -> Callable[[bytes], pa.RecordBatch]:
    """Reads an answer's bytes. ``answer``: the descriptor of the SDK's type."""
    row = answer.fields_by_name["results"].message_type
    fields = [gaql_field(column.name).split(".", 1) for column in report.columns]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_message_types(answer, row, fields))
    handler = HandlerPool([pool.FindFileByName(_PACKAGE)]).get_for_message(
        pool.FindMessageTypeByName(f"{_PACKAGE}.Answer")
    )
    converters = [
        _converter(report, column.name, column.type, row.fields_by_name[resource].message_type.fields_by_name[field])
        for column, (resource, field) in zip(report.columns, fields, strict=True)
    ]

    def read(payload: bytes) -> pa.RecordBatch:
        values = _values(handler.list_to_record_batch([payload]).column(0).flatten())
        columns = [
            convert(values[resource, field]) for convert, (resource, field) in zip(converters, fields, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=report.schema)

    return read


def _values(rows: pa.StructArray) -> dict[tuple[str, str], pa.Array]:
    """Each resource's fields; null where the resource is missing."""
    resources = zip(rows.type, rows.flatten(), strict=True)
    return {
        (resource.name, field.name): values
        for resource, fields in resources
        for field, values in zip(fields.type, fields.flatten(), strict=True)
    }


def _message_types(answer: Any, row: Any, fields: Sequence[Sequence[str]]) -> descriptor_pb2.FileDescriptorProto:
    """``Answer`` → rows → resources → fields, as far as they are read. Enums are their numbers."""
    file = descriptor_pb2.FileDescriptorProto(name=_PACKAGE, package=_PACKAGE, syntax="proto3")
    own_answer, own_row = file.message_type.add(name="Answer"), file.message_type.add(name="Row")
    _add(own_answer, answer.fields_by_name["results"], "Row")
    resources: dict[str, Any] = {}
    for resource, field in fields:
        if resource not in resources:
            resources[resource] = file.message_type.add(name=f"Resource{len(resources)}")
            _add(own_row, row.fields_by_name[resource], resources[resource].name)
        _add(resources[resource], row.fields_by_name[resource].message_type.fields_by_name[field])
    return file


def _add(message: Any, field: Any, of_type: str = "") -> None:
    kind = _Field.TYPE_INT32 if field.enum_type is not None else field.type
    label = _Field.LABEL_REPEATED if field.name == "results" else _Field.LABEL_OPTIONAL
    type_name = f".{_PACKAGE}.{of_type}" if of_type else None
    message.field.add(name=field.name, number=field.number, type=kind, label=label, type_name=type_name)


def _converter(report: Report, name: str, kind: ColumnType, field: Any) -> Callable[[pa.Array], pa.Array]:
    target = report.schema.field(name).type
    if field.enum_type is not None:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda values: _enum_names(names, values)
    default = pa.scalar("" if pa.types.is_string(target) else 0, target)
    if name in report.key or kind is ColumnType.STRING:
        return lambda values: _without(default, values)
    return lambda values: pc.fill_null(values, default) if values.null_count else values  # a whole resource is missing


def _without(default: pa.Scalar, values: pa.Array) -> pa.Array:
    missing = pc.equal(values, default)
    return pc.if_else(missing, pa.scalar(None, values.type), values) if missing.true_count else values


def _enum_names(names: dict[int, str], values: pa.Array) -> pa.Array:
    """A number newer than the installed SDK keeps its number, as ``UNKNOWN_<n>``."""
    found = pc.dictionary_encode(pc.fill_null(values, 0))
    texts = [names.get(number, f"UNKNOWN_{number}") for number in found.dictionary.to_pylist()]
    return pc.take(pa.array(texts, pa.string()), found.indices)
