"""The same raw rows in the emulated BigQuery, and the tables of both engines side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from mdp_dagster.warehouse.base import Table as RawTable
from tests.support.emulators.google_cloud import GoogleCloud, Job
from tests.warehouse.bigquery_support import bigquery_warehouse

from .support import MODELS, RAW_TABLES, SHOP_TABLES, Dbt, Row, Warehouse

TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INTEGER",
    "DECIMAL(38,9)": "NUMERIC",
    "DOUBLE": "FLOAT",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "BOOLEAN": "BOOLEAN",
}
"""DuckDB's types, and what BigQuery's API calls the same. Models have no others."""

EVER = "date >= date '1970-01-01'"
"""Tables below the marts aren't read without the days being named."""


@dataclass(frozen=True)
class Table:
    """The table of a model. Rows are sorted, and instants are in UTC without a time zone."""

    types: dict[str, str]
    rows: list[Row]


class BigQuery:
    """A project in the emulator with the raw tables, and dbt for it."""

    def __init__(self, cloud: GoogleCloud, state: Path, **environment: str) -> None:
        self._cloud = cloud
        self.project = cloud.new_project()
        self.client = cloud.bigquery_client(self.project)
        bigquery_warehouse(cloud, self.project).prepare([*RAW_TABLES, *SHOP_TABLES])
        self.dbt = Dbt(state, {"MDP_TARGET": "bigquery", **cloud.env_of(self.project), **environment})

    def statements(self) -> list[Job]:
        return self._cloud.statements(self.project)

    def clear(self) -> None:
        """Delete the models' tables and views."""
        for dataset in ("mdp_staging", "mdp_marts"):
            for table in self.client.list_tables(dataset):
                if table.table_type == "VIEW":  # the emulator deletes only tables by this request
                    self.client.query(f"drop view {dataset}.{table.table_id}").result()
                else:
                    self.client.delete_table(table)

    def fill(self, warehouse: Warehouse, tables: Sequence[RawTable] = RAW_TABLES) -> None:
        """Copy the raw rows from DuckDB."""
        for table in tables:
            with duckdb.connect(str(warehouse.path)) as connection:
                rows = connection.sql(f"select * from {table.id}").to_arrow_table()
            self.client.query(f"truncate table {table.id}").result()
            sink = io.BytesIO()
            pq.write_table(pa.table(rows.select(table.schema.names).columns, schema=table.schema), sink)
            config = bigquery.LoadJobConfig(
                source_format=bigquery.SourceFormat.PARQUET,
                create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            )
            self.client.load_table_from_file(sink, table.id, rewind=True, job_config=config).result()

    def table(self, model: str, where: str = EVER) -> Table:
        found = self.client.get_table(f"{self.project}.{model}")
        rows = (
            self.client.query(f"select * from {model} where {where}").result().to_arrow(create_bqstorage_client=False)
        )
        return Table({field.name: field.field_type for field in found.schema}, _sorted(rows.to_pylist()))


def duckdb_table(warehouse: Warehouse, model: str) -> Table:
    columns = warehouse.query(f"describe {model}")
    types = {column["column_name"]: TYPES[column["column_type"]] for column in columns}
    return Table(types, _sorted(warehouse.query(f"select * from {model}")))


def differences(
    warehouse: Warehouse, other: BigQuery, models: Sequence[str] = MODELS, where: str = EVER
) -> dict[str, Any]:
    """The differences between both engines by model: types, or the rows that only one has."""
    found: dict[str, Any] = {}
    for model in models:
        here, there = duckdb_table(warehouse, model), other.table(model, where)
        if here.types != there.types:
            found[model] = (here.types, there.types)
        elif here.rows != there.rows:
            only_here = [row for row in here.rows if row not in there.rows]
            found[model] = (only_here, [row for row in there.rows if row not in here.rows])
    return found


def _sorted(rows: list[Row]) -> list[Row]:
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    return sorted(plain, key=lambda row: [repr(value) for value in row.values()])


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=None) if getattr(value, "tzinfo", None) else value
