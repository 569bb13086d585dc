"""The parts of ``create table``, ``alter table`` and ``create schema`` that the emulator ignores.

These are clusters, labels, options, modes and descriptions of columns, locations, and several actions in one statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.ddl_sync import _introspect_schema, _resolve_dataset_parts
from bqemulator.catalog.models import Clustering, TableFieldSchema, TableMeta, TableSchema
from sqlglot import exp

from tests.support.emulators.bigquery.statements import name_of, parsed

_NOT_ENFORCED = re.compile(
    r",?\s*(?:constraint\s+\S+\s+)?(?:primary key|foreign key)\s*(?:\([^)]*\))?"
    r"(?:\s*references\s+[^\s(]+\s*\([^)]*\))?\s+not enforced",
    re.IGNORECASE,
)


def mended(sql: str) -> str:
    """The statement in a form that the emulator supports."""
    sql = _NOT_ENFORCED.sub("", sql)
    statements = parsed(sql)
    if len(statements) == 1 and isinstance(statements[0], exp.Alter):
        actions = statements[0].args.get("actions") or []
        if any(isinstance(action, exp.AlterSet) for action in actions):
            return "select 1"  # remember() does it
        if len(actions) > 1:
            return ";\n".join(_with_action(statements[0], action) for action in actions)
    return sql


def remember(sql: str, project: str, location: str, ctx: AppContext) -> None:
    """Store the ignored parts after the statement has run."""
    for statement in parsed(sql):
        if isinstance(statement, exp.Create) and statement.kind == "SCHEMA":
            _place(statement, project, location, ctx)
        elif isinstance(statement, (exp.Create, exp.Alter)) and statement.args.get("kind") == "TABLE":
            schema = statement.this if isinstance(statement.this, exp.Schema) else None
            name = name_of(schema.this if schema else statement.this, project, None)
            table = ctx.catalog.get_table(*name) if name else None
            if table:
                _describe(statement, schema, table, ctx)


def _with_action(alter: exp.Alter, action: exp.Expr) -> str:
    one = alter.copy()
    one.set("actions", [action.copy()])
    return one.sql(dialect="bigquery")


def _place(statement: exp.Create, project: str, location: str, ctx: AppContext) -> None:
    resolved = _resolve_dataset_parts(statement.this, project)
    dataset = ctx.catalog.get_dataset(*resolved) if resolved else None
    given = statement.find(exp.LocationProperty)
    if dataset:
        place = given.this.name if given else location
        ctx.catalog.update_dataset(dataset.model_copy(update={"location": place}))


def _describe(statement: exp.Expr, schema: exp.Schema | None, table: TableMeta, ctx: AppContext) -> None:
    changed: dict[str, Any] = {}
    if isinstance(statement, exp.Alter):
        known = {field.name: field for field in table.schema_.fields}
        retyped = {action.this.name for action in statement.find_all(exp.AlterColumn) if action.args.get("dtype")}
        there = _introspect_schema(table.project_id, table.dataset_id, table.table_id, ctx).fields
        fields = tuple(
            known[field.name].model_copy(update={"type": field.type} if field.name in retyped else {})
            if field.name in known
            else field
            for field in there
        )
        options: Iterable[exp.Expr] = statement.find_all(exp.Property)
    else:
        defined = (
            {column.name.lower(): column for column in schema.expressions if isinstance(column, exp.ColumnDef)}
            if schema
            else {}
        )
        fields = tuple(_described(field, defined.get(field.name.lower())) for field in table.schema_.fields)
        properties = statement.args.get("properties")
        options = properties.expressions if properties else []
        cluster = [option for option in options if isinstance(option, exp.ClusterProperty)]
        changed["clustering"] = Clustering(fields=tuple(c.name for c in cluster[0].expressions)) if cluster else None
    changed["schema_"] = TableSchema(fields=fields)
    ctx.catalog.update_table(table.model_copy(update={**changed, **_options(options, table)}))


def _described(field: TableFieldSchema, defined: exp.ColumnDef | None) -> TableFieldSchema:
    for constraint in defined.constraints if defined else ():
        if isinstance(constraint.args.get("kind"), exp.NotNullColumnConstraint):
            field = field.model_copy(update={"mode": "REQUIRED"})
        for option in constraint.find_all(exp.Property):
            if option.this.name.lower() == "description":
                field = field.model_copy(update={"description": option.args["value"].name})
    return field


def _options(options: Iterable[exp.Expr], table: TableMeta) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    partitioning = table.time_partitioning
    for option in options:
        if type(option) is not exp.Property:
            continue
        key, value = option.this.name.lower(), option.args["value"]
        if key == "labels" and isinstance(value, exp.Array):
            changed["labels"] = {pair.expressions[0].name: pair.expressions[1].name for pair in value.expressions}
        elif key == "description":
            changed["description"] = value.name
        elif key == "require_partition_filter" and partitioning:
            partitioning = partitioning.model_copy(update={"require_partition_filter": bool(value.this)})
        elif key == "partition_expiration_days" and partitioning:
            expires = None if isinstance(value, exp.Null) else int(float(value.name) * 86_400_000)
            partitioning = partitioning.model_copy(update={"expiration_ms": expires})
    return {**changed, "time_partitioning": partitioning}
