"""The raw tables that all reports share. Every extract appends to them; Dagster shows them and does not build them."""

from __future__ import annotations

import dagster as dg

from mdp_dagster.ingest.feed_tables import FEEDS
from mdp_dagster.ingest.tables import SHARED_TABLES
from mdp_dagster.orchestration.domain import ENGINE, OWNERS, RAW, Domain
from mdp_dagster.warehouse.base import Table


def shared_table_assets() -> list[dg.AssetSpec]:
    """Returns the asset of each shared table. They belong to MDP's engine, and to no domain."""
    return [table_asset(table, ENGINE, RAW) for table in (*SHARED_TABLES, FEEDS)]


def table_asset(table: Table, domain: Domain, layer: str) -> dg.AssetSpec:
    """Returns the asset of a table of the warehouse."""
    return dg.AssetSpec(
        table.name,
        group_name=domain.group(layer),
        tags=domain.tags(layer),
        description=table.description,
        owners=OWNERS,
        kinds={"python", "parquet"},
        metadata={
            "dagster/table_name": table.id,
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(field.name, str(field.type), description=table.descriptions[field.name])
                    for field in table.schema
                ]
            ),
        },
    )
