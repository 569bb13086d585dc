"""Copy jobs: one table replaces another or is appended to it, in one step."""

from __future__ import annotations

from typing import Any

from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import TableMeta
from bqemulator.storage.sql_identifiers import quoted_table_ref

from tests.support.emulators.bigquery.job import JobError


def copy(ctx: AppContext, project: str, config: dict[str, Any]) -> dict[str, Any]:
    """Run the job, and return its statistics. Raises ``JobError``."""
    sources = config.get("sourceTables") or [config["sourceTable"]]
    if len(sources) != 1 or config.get("operationType", "COPY") != "COPY":
        raise JobError("notImplemented", "the emulator copies one table, and makes no snapshots or clones")
    source, target = _named(project, sources[0]), _named(project, config["destinationTable"])
    if ctx.catalog.get_dataset(*target[:2]) is None:
        raise JobError("notFound", f"Not found: Dataset {target[0]}:{target[1]}")
    there, old = ctx.catalog.get_table(*source), ctx.catalog.get_table(*target)
    if there is None:
        raise JobError("notFound", f"Not found: Table {_told(source)}")
    if old is None and config.get("createDisposition") == "CREATE_NEVER":
        raise JobError("notFound", f"Not found: Table {_told(target)}")
    from_, to = quoted_table_ref(*source), quoted_table_ref(*target)
    disposition = config.get("writeDisposition", "WRITE_EMPTY")
    if old and disposition == "WRITE_EMPTY" and ctx.engine.execute(f"SELECT 1 FROM {to} LIMIT 1").fetchone():
        raise JobError("duplicate", f"Already Exists: Table {_told(target)}")
    if old and _layout(old) != _layout(there):
        raise JobError(
            "invalid", "Incompatible table partitioning specification when copying to the column partitioned table"
        )
    if old and disposition == "WRITE_APPEND":
        if [(field.name, field.type) for field in old.schema_.fields] != [
            (field.name, field.type) for field in there.schema_.fields
        ]:
            raise JobError("invalid", f"Provided Schema does not match Table {_told(target)}.")
        ctx.engine.execute(f"INSERT INTO {to} BY NAME SELECT * FROM {from_}")
    else:
        ctx.engine.execute(f"CREATE OR REPLACE TABLE {to} AS SELECT * FROM {from_}")
        _describe(ctx, target, there, old)
    rows = ctx.engine.execute(f"SELECT count(*) FROM {from_}").fetchone()
    return {"copy": {"copiedRows": str(rows[0] if rows else 0)}}


def _describe(ctx: AppContext, target: tuple[str, str, str], source: TableMeta, old: TableMeta | None) -> None:
    if old:
        ctx.catalog.update_table(old.model_copy(update={"schema_": source.schema_}))
        return
    project_id, dataset_id, table_id = target
    named = {"project_id": project_id, "dataset_id": dataset_id, "table_id": table_id}
    ctx.catalog.create_table(source.model_copy(update=named))


def _named(project: str, table: dict[str, str]) -> tuple[str, str, str]:
    return table.get("projectId", project), table["datasetId"], table["tableId"]


def _told(name: tuple[str, str, str]) -> str:
    return f"{name[0]}:{name[1]}.{name[2]}"


def _layout(table: TableMeta) -> tuple[str, str | None] | None:
    return (table.time_partitioning.type, table.time_partitioning.field) if table.time_partitioning else None
