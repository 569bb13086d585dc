"""The raw tables that all reports share. Every extract appends to them; Dagster shows them and does not build them."""

from __future__ import annotations

import dagster as dg

from mdp_dagster.ingest.tables import SHARED_TABLES
from mdp_dagster.orchestration.domain import ENGINE, OWNERS, RAW


def shared_table_assets() -> list[dg.AssetSpec]:
    """Returns the asset of each shared table. They belong to MDP's engine, and to no domain."""
    return [
        dg.AssetSpec(
            table.name,
            group_name=ENGINE.group(RAW),
            tags=ENGINE.tags(RAW),
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
        for table in SHARED_TABLES
    ]
