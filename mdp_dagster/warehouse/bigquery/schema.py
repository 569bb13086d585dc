"""Raw's tables in BigQuery's terms: types, partitions, clusters."""

from __future__ import annotations

import pyarrow as pa
from google.cloud import bigquery

from mdp_dagster.warehouse.base import Table

_TYPES = {
    pa.string(): "STRING",
    pa.int64(): "INT64",
    pa.int32(): "INT64",
    pa.float64(): "FLOAT64",
    pa.date32(): "DATE",
    pa.bool_(): "BOOL",
}


def schema_fields(schema: pa.Schema) -> list[bigquery.SchemaField]:
    """The fields, all nullable: the tests on staging report missing values, and a load job must not fail on them."""
    return [bigquery.SchemaField(field.name, _type(field.type)) for field in schema]


def _type(type_: pa.DataType) -> str:
    return "TIMESTAMP" if pa.types.is_timestamp(type_) else _TYPES[type_]


def table_definition(
    table: Table, reference: bigquery.TableReference, labels: dict[str, str], expiration_ms: int | None
) -> bigquery.Table:
    """The definition of a table to create.

    Args:
        table: The table.
        reference: The full name to create it under.
        labels: Its labels.
        expiration_ms: When a day's partition expires, counted from that day. None keeps all days.
    """
    definition = bigquery.Table(reference, schema=schema_fields(table.schema))
    definition.description = table.description
    definition.labels = labels
    if table.partition_column:
        definition.time_partitioning = bigquery.TimePartitioning(  # by day
            field=table.partition_column, expiration_ms=expiration_ms
        )
        definition.require_partition_filter = table.require_partition_filter
    if table.cluster_columns:
        definition.clustering_fields = list(table.cluster_columns)
    return definition
