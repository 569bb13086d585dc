"""The raw tables that no single report owns. Every pull appends to them; they are shown, not materialized."""

from __future__ import annotations

import dagster as dg

from mdp_dagster.ingest.tables import SHARED_TABLES
from mdp_dagster.transform.translator import OWNERS


def shared_raw_tables() -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            table.name,
            group_name="raw",
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
