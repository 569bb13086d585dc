"""Checks that a statement reads only the partitions of its literal days.

BigQuery prunes by literals on the partition column. For days from a join, a subquery or a function, it reads every
partition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlglot
from sqlglot import exp

Partitioned = Mapping[str, str]
"""The partition column of each partitioned table, by `dataset.table`."""


def unpruned(sql: str, partitioned: Partitioned) -> list[str]:
    """The partitioned tables that a statement or script reads or rewrites without literal days."""
    found = []
    for statement in sqlglot.parse(sql, read="bigquery"):
        if statement is not None:
            found += [f"{table} in: {where[:200]}" for table, where in _unpruned(statement, partitioned)]
    return found


def _unpruned(statement: exp.Expression, partitioned: Partitioned) -> Iterator[tuple[str, str]]:
    created = {id(table) for table in _written(statement)}
    for table in statement.find_all(exp.Table):
        name = f"{table.db}.{table.name}"
        column = partitioned.get(name)
        if column is None or id(table) in created:
            continue
        if not any(_is_pruning(condition, table.alias_or_name, column) for condition in _conditions(table)):
            scope = table.find_ancestor(exp.Select, exp.Merge, exp.Delete, exp.Update) or statement
            yield name, scope.sql(dialect="bigquery")


def _written(statement: exp.Expression) -> Iterator[exp.Table]:
    """Tables that are created or appended to, so that nothing is read from them."""
    if isinstance(statement, exp.Create | exp.Insert | exp.Drop | exp.Alter):
        target = statement.this
        target = target.this if isinstance(target, exp.Schema) else target
        if isinstance(target, exp.Table):
            yield target


def _conditions(table: exp.Table) -> Iterator[exp.Expression]:
    """The conditions on the rows of a table, from the nearest enclosing statement."""
    around = table.find_ancestor(exp.Select, exp.Merge, exp.Delete, exp.Update)
    if isinstance(around, exp.Merge):
        if around.this is table:
            whens = around.args["whens"].expressions
            # every branch that changes rows of the target must name the days
            conditions = [when.args.get("condition") for when in whens if when.args.get("source")]
            if conditions and all(conditions):
                yield exp.or_(*conditions) if len(conditions) > 1 else conditions[0]
        return
    if around is None:
        return
    where = around.args.get("where")
    if where is not None:
        yield where.this
    join = table.find_ancestor(exp.Join)
    # An inner join's condition filters rows too. An outer join's does not filter the preserved side.
    if join is not None and join.args.get("on") is not None and not join.side:
        yield join.args["on"]


def _is_pruning(condition: exp.Expression, alias: str, column: str) -> bool:
    condition = condition.unnest()
    if isinstance(condition, exp.Or):
        return _is_pruning(condition.left, alias, column) and _is_pruning(condition.right, alias, column)
    parts = list(_conjuncts(condition))
    if any(isinstance(part, exp.Or) and _is_pruning(part, alias, column) for part in parts):
        return True
    if any(_names_days(part, alias, column) for part in parts):
        return True
    below = any(_bounds(part, alias, column, (exp.LT, exp.LTE)) for part in parts)
    above = any(_bounds(part, alias, column, (exp.GT, exp.GTE)) for part in parts)
    return below and above


def _conjuncts(condition: exp.Expression) -> Iterator[exp.Expression]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def _names_days(part: exp.Expression, alias: str, column: str) -> bool:
    if isinstance(part, exp.EQ):
        return _bounds(part, alias, column, (exp.EQ,))
    if isinstance(part, exp.In):
        days = part.expressions
        return _is_column(part.this, alias, column) and bool(days) and all(_is_literal(day) for day in days)
    if isinstance(part, exp.Between):
        ends = part.args["low"], part.args["high"]
        return _is_column(part.this, alias, column) and all(_is_literal(end) for end in ends)
    return False


def _bounds(part: exp.Expression, alias: str, column: str, kinds: tuple[type[exp.Expression], ...]) -> bool:
    return isinstance(part, kinds) and _is_column(part.left, alias, column) and _is_literal(part.right)


def _is_column(expression: exp.Expression, alias: str, column: str) -> bool:
    return (
        isinstance(expression, exp.Column)
        and expression.name.lower() == column.lower()
        and expression.table.lower() in ("", alias.lower())
    )


def _is_literal(expression: exp.Expression) -> bool:
    expression = expression.unnest()
    if isinstance(expression, exp.Cast | exp.DateStrToDate):  # date '2026-01-31' is parsed as a cast
        expression = expression.this
    return isinstance(expression, exp.Literal)
