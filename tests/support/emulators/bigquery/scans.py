"""The tables that a statement reads, with the constant filters on columns by which BigQuery prunes partitions.

Filters are passed down into subqueries, CTEs and views where their column passes through unchanged. Nothing else is
inferred, for example from the other side of a join or from a subquery's result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bqemulator.catalog.repository import CatalogRepository
from sqlglot import exp

from tests.support.emulators.bigquery.statements import Name, name_of, parsed

Filters = dict[str, list[exp.Expr]]
"""By column, in lower case: the conditions that hold for it."""

_COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


@dataclass(frozen=True)
class Scan:
    """One read of one table. ``filters`` are those by which BigQuery can prune partitions."""

    table: Name
    filters: Filters


class Scans:
    """The scans of one script. ``dataset`` completes names without a dataset."""

    def __init__(self, sql: str, project: str, dataset: str | None, catalog: CatalogRepository) -> None:
        self._project, self._dataset, self._catalog = project, dataset, catalog
        self._found: list[Scan] = []
        statements = parsed(sql)
        declared = [item for statement in statements for item in statement.find_all(exp.DeclareItem)]
        self._variables = {name.name.lower() for item in declared for name in _listed(item.this)}
        for statement in statements:
            self._statement(statement)

    def __iter__(self) -> Iterator[Scan]:
        return iter(self._found)

    # statements

    def _statement(self, node: exp.Expr) -> None:
        ctes = _ctes(node, {})
        if isinstance(node, exp.Query):
            self._query(node, {}, {})
        elif isinstance(node, exp.Merge):
            self._merge(node, ctes)
        elif isinstance(node, (exp.Delete, exp.Update)):
            where = node.args.get("where")
            filters = self._filters(where.this if where else None)
            self._source(node.this, _of(node.this, filters), ctes)
            self._nested([where], ctes)
        elif isinstance(node, exp.Insert) or (isinstance(node, exp.Create) and node.kind == "TABLE"):
            if isinstance(node.expression, exp.Query):
                self._query(node.expression, ctes, {})
        elif not isinstance(node, exp.Create):  # a view is checked when it is read
            self._nested(node.args.values(), ctes)

    def _merge(self, node: exp.Merge, ctes: Mapping[str, exp.Expr]) -> None:
        """The join reads the target, except ``on false`` without actions for rows that no source row matches."""
        reads = [] if isinstance(node.args["on"], exp.Boolean) and not node.args["on"].this else [node.args["on"]]
        by_source = [when.args.get("condition") for when in node.args["whens"].expressions if when.args.get("source")]
        for condition in [*reads, *by_source]:
            self._source(node.this, _of(node.this, self._filters(condition)), ctes)
        self._source(node.args["using"], {}, ctes)

    # queries

    def _query(self, node: exp.Expr, ctes: Mapping[str, exp.Expr], outer: Filters) -> None:
        """The scans of a query. ``outer``: filters on its output columns."""
        ctes = _ctes(node, ctes)
        if isinstance(node, exp.Subquery):
            self._query(node.this, ctes, outer)
        elif isinstance(node, exp.SetOperation):
            self._query(node.this, ctes, outer)
            left, right = node.this.named_selects, node.expression.named_selects
            names = dict(zip(left, right, strict=False)) if len(left) == len(right) and "*" not in left + right else {}
            self._query(node.expression, ctes, {names.get(name, name): holds for name, holds in outer.items()})
        elif isinstance(node, exp.Select):
            self._select(node, ctes, outer)

    def _select(self, node: exp.Select, ctes: Mapping[str, exp.Expr], outer: Filters) -> None:
        where, from_, joins = node.args.get("where"), node.args.get("from_"), node.args.get("joins") or []
        filters = self._filters(where.this if where else None)
        _add(filters, _handed_down(node, outer))
        for source in [from_.this] if from_ else []:
            inner = [join for join in joins if join.side not in ("RIGHT", "FULL")]
            on = [join.args.get("on") for join in inner if join.side != "LEFT"]
            self._source(source, _of(source, _all([filters, *map(self._filters, on)])), ctes)
        for join in joins:
            on_its_side = self._filters(join.args.get("on")) if join.side != "FULL" else {}
            self._source(join.this, _of(join.this, _all([filters, on_its_side])), ctes)
        rest = [arg for name, arg in node.args.items() if name not in ("from_", "joins", "with_")]
        self._nested([*rest, *(join.args.get("on") for join in joins)], ctes)

    def _source(self, node: exp.Expr, filters: Filters, ctes: Mapping[str, exp.Expr]) -> None:
        if isinstance(node, exp.Subquery):
            self._query(node.this, ctes, filters)
        elif isinstance(node, exp.Table) and not node.args.get("db") and node.name.lower() in ctes:
            name = node.name.lower()
            self._query(ctes[name], {other: query for other, query in ctes.items() if other != name}, filters)
        elif isinstance(node, exp.Table) and (table := name_of(node, self._project, self._dataset)):
            meta = self._catalog.get_table(*table)
            if meta and meta.view_query:
                for statement in parsed(meta.view_query):
                    self._query(statement, {}, filters)
            else:
                self._found.append(Scan(table, filters))

    def _nested(self, nodes: Iterable[object], ctes: Mapping[str, exp.Expr]) -> None:
        """The scans of queries within expressions. No filters are passed down to them."""
        for node in nodes:
            if isinstance(node, list):
                self._nested(node, ctes)
            elif isinstance(node, exp.Query):
                self._query(node, ctes, {})
            elif isinstance(node, exp.Expr):
                self._nested(node.args.values(), ctes)

    # conditions

    def _filters(self, node: exp.Expr | None) -> dict[str, list[exp.Expr]]:
        """Filters by column, qualified as written. For OR, only columns with a filter on both sides count."""
        if isinstance(node, exp.Paren):
            return self._filters(node.this)
        if isinstance(node, exp.And):
            return _all([self._filters(node.left), self._filters(node.right)])
        if isinstance(node, exp.Or):
            left, right = self._filters(node.left), self._filters(node.right)
            return {column: [node] for column in left if column in right}
        column = self._limited_column(node)
        return {_written(column): [node]} if column and node else {}

    def _limited_column(self, node: exp.Expr | None) -> exp.Column | None:
        if isinstance(node, _COMPARISONS):
            for column, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(column, exp.Column) and self._is_constant(other):
                    return column
        elif isinstance(node, exp.Between) and isinstance(node.this, exp.Column):
            bounds = (node.args["low"], node.args["high"])
            return node.this if all(map(self._is_constant, bounds)) else None
        elif isinstance(node, exp.In) and isinstance(node.this, exp.Column) and not node.args.get("query"):
            values = [*node.expressions, *_listed(node.args.get("unnest"))]
            return node.this if all(map(self._is_constant, values)) else None
        elif isinstance(node, exp.Not) and isinstance(node.this, exp.Is):
            return self._limited_column(node.this)
        elif isinstance(node, exp.Is) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Null):
            return node.this
        return None

    def _is_constant(self, node: exp.Expr) -> bool:
        if node.find(exp.Query):
            return False
        return all(not column.table and column.name.lower() in self._variables for column in node.find_all(exp.Column))


def _ctes(node: exp.Expr, outer: Mapping[str, exp.Expr]) -> dict[str, exp.Expr]:
    with_ = node.args.get("with_")
    return {**outer, **{cte.alias.lower(): cte.this for cte in (with_.expressions if with_ else [])}}


def _written(column: exp.Column) -> str:
    return f"{column.table}.{column.name}".lower() if column.table else column.name.lower()


def _of(source: exp.Expr, filters: Filters) -> Filters:
    """The filters on the source's columns, by bare name."""
    mine: Filters = {}
    for written, holds in filters.items():
        table, _, column = written.rpartition(".")
        if table in ("", source.alias_or_name.lower()):
            mine.setdefault(column, []).extend(holds)
    return mine


def _handed_down(node: exp.Select, outer: Filters) -> Filters:
    """The filters on output columns, rewritten for the input columns."""
    if node.args.get("limit") or node.args.get("offset"):
        return {}
    down: Filters = {}
    for projection in node.expressions:
        column, name = projection.unalias(), projection.alias_or_name.lower()
        if projection.is_star:
            qualifier = f"{column.table.lower()}." if isinstance(column, exp.Column) and column.table else ""
            _add(down, {qualifier + name: holds for name, holds in outer.items()})
        elif isinstance(column, exp.Column) and name in outer:
            _add(down, {_written(column): outer[name]})
    return {column: holds for column, holds in down.items() if _is_in_every_window(column, node)}


def _is_in_every_window(column: str, node: exp.Select) -> bool:
    """Without this, the window would need rows that the filter excludes."""
    for part in [*node.expressions, node.args.get("qualify"), *(node.args.get("windows") or [])]:
        for window in part.find_all(exp.Window) if part else ():
            by = window.args.get("partition_by") or []
            if not window.args.get("alias") and column not in [_written(at) for at in by if isinstance(at, exp.Column)]:
                return False
    return True


def _listed(value: object) -> list[exp.Expr]:
    return value if isinstance(value, list) else [value] if isinstance(value, exp.Expr) else []


def _add(filters: Filters, more: Filters) -> None:
    for column, holds in more.items():
        filters.setdefault(column, []).extend(holds)


def _all(some: Iterable[Filters]) -> Filters:
    merged: Filters = {}
    for filters in some:
        _add(merged, filters)
    return merged
