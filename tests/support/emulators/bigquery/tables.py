"""The parts of tables.get, insert and update that the emulator lacks: filters, sizes, locations, new columns."""

from __future__ import annotations

from typing import Any

from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import tables as stock
from bqemulator.catalog.models import TableMeta
from bqemulator.domain.errors import ValidationError
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

from tests.support.emulators.bigquery.costs import Sizes

_to_rest = stock._table_to_rest
_from_rest = stock._rest_to_table_meta


def mend(context: AppContext, sizes: Sizes) -> None:
    def to_rest(table: TableMeta) -> dict[str, Any]:
        return _with_state(context, sizes, table, _to_rest(table))

    def from_rest(
        project: str, dataset: str, body: dict[str, Any], clock: Any, existing: TableMeta | None = None
    ) -> TableMeta:
        _refuse_lost_columns(body, existing)
        table = _with_filter(_from_rest(project, dataset, body, clock, existing), body, existing)
        sizes.forget({(project, dataset, table.table_id)})  # a table with this name may have existed before
        return table

    stock._table_to_rest = to_rest
    stock._rest_to_table_meta = from_rest
    _add_columns_on_update(context, sizes)


def _with_state(ctx: AppContext, sizes: Sizes, table: TableMeta, body: dict[str, Any]) -> dict[str, Any]:
    dataset = ctx.catalog.get_dataset(table.project_id, table.dataset_id)
    body["location"] = dataset.location if dataset else "US"
    if table.table_type == "TABLE":
        body["numRows"] = str(sizes.rows(table))
        for name in ("numBytes", "numActiveLogicalBytes", "numTotalLogicalBytes"):
            body[name] = str(sum(sizes.columns(table).values()))
    if table.view_query:
        body["view"] = {"query": table.view_query, "useLegacySql": False}
    if table.time_partitioning:
        body["requirePartitionFilter"] = table.time_partitioning.require_partition_filter
    return body


def _with_filter(table: TableMeta, body: dict[str, Any], existing: TableMeta | None) -> TableMeta:
    """Copy ``requirePartitionFilter`` from the table to its partitioning, where the emulator reads it."""
    if table.time_partitioning is None:
        return table
    old = existing.time_partitioning if existing else None
    required = body.get("requirePartitionFilter", table.time_partitioning.require_partition_filter)
    if "requirePartitionFilter" not in body and "requirePartitionFilter" not in (body.get("timePartitioning") or {}):
        required = old.require_partition_filter if old else False
    partitioning = table.time_partitioning.model_copy(update={"require_partition_filter": bool(required)})
    return table.model_copy(update={"time_partitioning": partitioning})


def _refuse_lost_columns(body: dict[str, Any], existing: TableMeta | None) -> None:
    new = {field["name"].lower() for field in (body.get("schema") or {}).get("fields") or []}
    for field in existing.schema_.fields if existing and new else ():
        if field.name.lower() not in new:
            assert existing is not None
            name = f"{existing.project_id}:{existing.dataset_id}.{existing.table_id}"
            raise ValidationError(
                f"Provided Schema does not match Table {name}. Field {field.name} is missing in new schema"
            )


def _add_columns_on_update(ctx: AppContext, sizes: Sizes) -> None:
    update = ctx.catalog.update_table

    def update_table(table: TableMeta) -> TableMeta:
        if table.table_type == "TABLE":
            ref = quoted_table_ref(table.project_id, table.dataset_id, table.table_id)
            for name, type_ in bq_schema_to_duckdb_columns([field.model_dump() for field in table.schema_.fields]):
                ctx.engine.execute(f'ALTER TABLE {ref} ADD COLUMN IF NOT EXISTS "{name}" {type_}')
            sizes.forget()
        return update(table)

    ctx.catalog.update_table = update_table  # type: ignore[method-assign]
