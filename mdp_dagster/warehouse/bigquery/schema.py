"""How raw's tables are described to BigQuery: types, partitions, clusters."""

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


def fields(schema: pa.Schema) -> list[bigquery.SchemaField]:
    """All nullable: what a row lacks is for the tests on staging to say, not for a load job to fail on."""
    return [bigquery.SchemaField(field.name, _type(field.type)) for field in schema]


def _type(type_: pa.DataType) -> str:
    return "TIMESTAMP" if pa.types.is_timestamp(type_) else _TYPES[type_]


def described(
    table: Table, reference: bigquery.TableReference, labels: dict[str, str], expiration_ms: int | None
) -> bigquery.Table:
    """The table as it is to be created. ``expiration_ms``: of a day's partition, from that day on."""
    made = bigquery.Table(reference, schema=fields(table.schema))
    made.description = table.description
    made.labels = labels
    if table.partition_column:
        made.time_partitioning = bigquery.TimePartitioning(  # by day
            field=table.partition_column, expiration_ms=expiration_ms
        )
        made.require_partition_filter = table.require_partition_filter
    if table.cluster_columns:
        made.clustering_fields = list(table.cluster_columns)
    return made
