"""Load jobs, as strict as the service: atomic over all files, columns by name, exact types.

Messages and reasons are those of BigQuery, as far as they are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes.tables import _parse_schema_fields, _rest_to_table_meta
from bqemulator.catalog.models import TableFieldSchema, TableMeta
from bqemulator.jobs.executor import _resolve_uri
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

from tests.support.emulators.bigquery.job import JobError

_SAME = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "DECIMAL": "NUMERIC", "STRUCT": "RECORD"}


def load(ctx: AppContext, project: str, config: dict[str, Any], media: bytes | None) -> dict[str, Any]:
    """Run the job, and return its statistics. ``media``: the upload of a job without addresses. Raises ``JobError``."""
    if config.get("sourceFormat") != "PARQUET":
        raise JobError("notImplemented", f"the emulator loads PARQUET only, not {config.get('sourceFormat', 'CSV')}")
    uris = [str(uri) for uri in config.get("sourceUris", [])]
    files = [media] if media is not None else [_file(ctx, uri) for uri in uris]
    if not files:
        raise JobError("invalid", "Required parameter is missing: sourceUris")
    tables = [_read(file) for file in files]
    target, is_new = _target(ctx, project, config, tables[-1].schema)
    name = f"{target.project_id}:{target.dataset_id}.{target.table_id}"
    given = (config.get("schema") or {}).get("fields")
    if given:
        _compare(name, {field.name.lower(): _type(field) for field in _parse_schema_fields(given)}, target)
    for table in tables:
        _compare(name, {field.name.lower(): _bigquery_type(field.type) for field in table.schema}, target)
    ref = quoted_table_ref(target.project_id, target.dataset_id, target.table_id)
    try:
        with transaction(ctx):
            if is_new:
                _create(ctx, ref, target)
            _make_room(ctx, ref, name, config.get("writeDisposition", "WRITE_APPEND"))
            for table in tables:
                _insert(ctx, ref, table)
    except duckdb.Error as error:
        raise JobError("invalid", f"Error while reading data, error message: {error}") from error
    if is_new:
        ctx.catalog.create_table(target)
    return {
        "load": {
            "inputFiles": str(len(files)),
            "inputFileBytes": str(sum(map(len, files))),
            "outputRows": str(sum(table.num_rows for table in tables)),
            "outputBytes": str(sum(table.nbytes for table in tables)),
            "badRecords": "0",
        }
    }


@contextmanager
def transaction(ctx: AppContext) -> Iterator[None]:
    """A transaction. All jobs run one after another on one connection (``jobs.py``), so it contains nothing else."""
    ctx.engine.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        ctx.engine.execute("ROLLBACK")
        raise
    ctx.engine.execute("COMMIT")


def _file(ctx: AppContext, uri: str) -> bytes:
    path = Path(_resolve_uri(uri, ctx))
    if not uri.startswith("gs://") or not path.is_file():
        raise JobError("notFound", f"Not found: URI {uri}")
    return path.read_bytes()


def _read(file: bytes) -> pa.Table:
    """Read a file without the columns that a dataset reader would add, such as those from ``key=value`` in the path."""
    try:
        return pq.ParquetFile(pa.BufferReader(file)).read()
    except pa.ArrowInvalid as error:
        raise JobError("invalid", f"Error while reading data, error message: {error}") from error


def _target(ctx: AppContext, project: str, config: dict[str, Any], schema: pa.Schema) -> tuple[TableMeta, bool]:
    """The destination, and whether it must still be created."""
    given = config["destinationTable"]
    project_id, dataset_id, table_id = given.get("projectId", project), given["datasetId"], given["tableId"]
    if "$" in table_id:
        raise JobError("notImplemented", f"the emulator does not support partition decorators: {table_id}")
    if ctx.catalog.get_dataset(project_id, dataset_id) is None:
        raise JobError("notFound", f"Not found: Dataset {project_id}:{dataset_id}")
    there = ctx.catalog.get_table(project_id, dataset_id, table_id)
    if there is not None:
        return there, False
    if config.get("createDisposition") == "CREATE_NEVER":
        raise JobError("notFound", f"Not found: Table {project_id}:{dataset_id}.{table_id}")
    inferred = [{"name": field.name, "type": _bigquery_type(field.type)} for field in schema]
    body = {**config, "schema": config.get("schema") or {"fields": inferred}, "tableReference": given}
    return _rest_to_table_meta(project_id, dataset_id, body, ctx.clock), True


def _create(ctx: AppContext, ref: str, table: TableMeta) -> None:
    fields = [field.model_dump() for field in table.schema_.fields]
    columns = ", ".join(f'"{name}" {type_}' for name, type_ in bq_schema_to_duckdb_columns(fields))
    ctx.engine.execute(f"CREATE TABLE {ref} ({columns})")


def _compare(name: str, new: dict[str, str], target: TableMeta) -> None:
    """Compare the columns. Nullable columns may be missing. New columns and other types are errors."""
    there = {field.name.lower(): field for field in target.schema_.fields}
    for column, type_ in new.items():
        if column not in there:
            raise JobError(
                "invalid", f"Provided Schema does not match Table {name}. Cannot add fields (field: {column})"
            )
        if type_ != (old := _type(there[column])):
            raise JobError(
                "invalid",
                f"Provided Schema does not match Table {name}. Field {column} has changed type from {old} to {type_}",
            )
    for column, field in there.items():
        if field.mode == "REQUIRED" and column not in new:
            raise JobError(
                "invalid", f"Provided Schema does not match Table {name}. Field {column} is missing in new schema"
            )


def _type(field: TableFieldSchema) -> str:
    return _SAME.get(field.type.upper(), field.type.upper())


def _bigquery_type(type_: pa.DataType) -> str:
    """BigQuery's type for a Parquet column."""
    if pa.types.is_dictionary(type_):
        return _bigquery_type(type_.value_type)
    if pa.types.is_integer(type_) or pa.types.is_null(type_):  # a column of nulls is written as an INT32
        return "INTEGER"
    if pa.types.is_floating(type_):
        return "FLOAT"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "STRING"
    if pa.types.is_boolean(type_):
        return "BOOLEAN"
    if pa.types.is_date(type_):
        return "DATE"
    if pa.types.is_timestamp(type_):
        if type_.unit == "ns":
            return "INTEGER"
        return "TIMESTAMP" if type_.tz else "DATETIME"
    if pa.types.is_decimal(type_):
        return "NUMERIC" if type_.scale <= 9 and type_.precision - type_.scale <= 29 else "BIGNUMERIC"
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return "BYTES"
    return "RECORD"


def _make_room(ctx: AppContext, ref: str, name: str, disposition: str) -> None:
    if disposition == "WRITE_TRUNCATE":
        ctx.engine.execute(f"DELETE FROM {ref}")
    elif disposition == "WRITE_EMPTY" and ctx.engine.execute(f"SELECT 1 FROM {ref} LIMIT 1").fetchone():
        raise JobError("duplicate", f"Already Exists: Table {name}")


def _insert(ctx: AppContext, ref: str, table: pa.Table) -> None:
    columns = ", ".join(f'"{column}"' for column in table.column_names)
    ctx.engine.connection.register("__loaded", table)
    try:
        ctx.engine.execute(f"INSERT INTO {ref} ({columns}) SELECT {columns} FROM __loaded")
    finally:
        ctx.engine.connection.unregister("__loaded")
