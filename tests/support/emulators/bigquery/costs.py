"""The bytes that a query reads: the columns that it names, in the partitions that its filters leave.

An estimate in BigQuery's units, to test limits and sums. Google's bill may differ.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import duckdb
import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import JobMeta, TableMeta
from bqemulator.storage.sql_identifiers import quoted_table_ref
from sqlglot import exp

from tests.support.emulators.bigquery.job import JobError
from tests.support.emulators.bigquery.scans import Scan
from tests.support.emulators.bigquery.statements import Name, parsed

_MB = 1 << 20
_LEAST_PER_TABLE = 10 * _MB
_BYTES = {"BOOLEAN": 1, "BOOL": 1, "NUMERIC": 16, "BIGNUMERIC": 32}
_BY_LENGTH = ("STRING", "BYTES", "JSON")


class Sizes:
    """The sizes of tables, cached until a write."""

    def __init__(self, ctx: AppContext) -> None:
        self._ctx = ctx
        self._kept: dict[Name, dict[str, tuple[Any, ...]]] = {}

    def forget(self, tables: set[Name] | None = None) -> None:
        """Forget the sizes of a table, or of all tables."""
        for table in list(self._kept) if tables is None else tables:
            self._kept[table] = {}

    def columns(self, table: TableMeta) -> dict[str, int]:
        """The logical bytes by column. A null has none."""
        fields = [field for field in table.schema_.fields if field.mode != "REPEATED" and not field.fields]
        sizes = [
            f'coalesce(sum({_of_type(field.type, field.name)}) filter ("{field.name}" is not null), 0)'
            for field in fields
        ]
        found = self._ask(table, f"select {', '.join(sizes) or '0'}")
        return {field.name: int(size) for field, size in zip(fields, found, strict=False)}

    def rows(self, table: TableMeta, where: str = "true") -> int:
        return int(self._ask(table, "select count(*)", where)[0])

    def share(self, table: TableMeta, where: str) -> float:
        try:
            return self.rows(table, where) / max(1, self.rows(table))
        except duckdb.Error:  # DuckDB can't run the filter: count the whole table
            return 1.0

    def _ask(self, table: TableMeta, select: str, where: str = "true") -> tuple[Any, ...]:
        name = table.project_id, table.dataset_id, table.table_id
        kept = self._kept.setdefault(name, {})
        sql = f"{select} from {quoted_table_ref(*name)} where {where}"
        if sql not in kept:
            with self._ctx.engine.connection.cursor() as cursor:  # tables.get runs in another thread
                kept[sql] = cursor.execute(sql).fetchone() or ()
        return kept[sql]


def read_by(ctx: AppContext, sizes: Sizes, config: dict[str, Any], scans: list[Scan]) -> dict[Name, int]:
    """The bytes by table."""
    named, has_star = _columns_in(config["query"])
    parameters = {parameter.get("name"): parameter for parameter in config.get("queryParameters") or []}
    read: dict[Name, int] = {}
    for scan in scans:
        table = ctx.catalog.get_table(*scan.table)
        if table is None or table.table_type != "TABLE":
            continue
        bytes_ = sum(size for name, size in sizes.columns(table).items() if has_star or name.lower() in named)
        where = _partitions(table, scan, parameters)
        read[scan.table] = read.get(scan.table, 0) + round(bytes_ * sizes.share(table, where))
    return read


def check(config: dict[str, Any], billed: int) -> None:
    limit = config.get("maximumBytesBilled")
    if limit and billed > int(limit):
        raise JobError(
            "bytesBilledLimitExceeded",
            f"Query exceeded limit for bytes billed: {limit}. {billed} or higher required.",
        )


def billed_for(read: dict[Name, int]) -> int:
    """The billed bytes: whole megabytes, and at least ten per table."""
    return sum(max(_LEAST_PER_TABLE, -(-bytes_ // _MB) * _MB) for bytes_ in read.values())


def told(meta: JobMeta, processed: int, billed: int) -> JobMeta:
    """The job, with these bytes in its statistics."""
    bytes_ = {"totalBytesProcessed": str(processed), "totalBytesBilled": str(billed), "totalSlotMs": "1"}
    query = {**meta.statistics.get("query", {}), **bytes_}
    statistics = {**meta.statistics, "query": query, "totalBytesProcessed": str(processed)}
    return meta.model_copy(update={"statistics": statistics})


def _of_type(type_: str, column: str) -> str:
    if type_.upper() in _BY_LENGTH:
        return f'2 + octet_length(encode(cast("{column}" as varchar)))'
    return str(_BYTES.get(type_.upper(), 8))


@lru_cache(maxsize=64)
def _columns_in(sql: str) -> tuple[set[str], bool]:
    nodes = [node for statement in parsed(sql) for node in statement.find_all(exp.Column, exp.Star)]
    return {node.name.lower() for node in nodes}, any(isinstance(node, exp.Star) for node in nodes)


def _partitions(table: TableMeta, scan: Scan, parameters: dict[str | None, dict[str, Any]]) -> str:
    """The filters on the partition column, for DuckDB."""
    field = table.time_partitioning.field if table.time_partitioning else None
    conditions = {id(node): node for node in scan.filters.get((field or "").lower(), [])}.values()
    some = {f"({_for_duckdb(node, field or '', parameters)})" for node in conditions}
    return " and ".join(sorted(some)) or "true"


def _for_duckdb(node: exp.Expr, field: str, parameters: dict[str | None, dict[str, Any]]) -> str:
    """The filter on one table, without qualifiers."""
    if node.find(exp.Parameter):
        node = node.transform(lambda part: _value(part, parameters) if isinstance(part, exp.Parameter) else part)
    return re.sub(rf'[\w"]+\.(?="?{re.escape(field)}\b)', "", node.sql(dialect="duckdb"), flags=re.IGNORECASE)


def _value(node: exp.Parameter, parameters: dict[str | None, dict[str, Any]]) -> exp.Expr:
    given = parameters.get(node.name, {})
    value = given.get("parameterValue", {}).get("value")
    type_ = given.get("parameterType", {}).get("type", "STRING")
    return sqlglot.parse_one(f"cast('{value}' as {type_})", read="bigquery")
