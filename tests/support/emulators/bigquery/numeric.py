"""NUMERIC as in BigQuery: rules for the emulator's translation of statements to DuckDB."""

from __future__ import annotations

import sqlglot
from bqemulator.jobs import executor
from bqemulator.sql import translator
from bqemulator.sql.rules._base import TranslationRule
from bqemulator.sql.rules.aggregate_types import DivDecimalRule, _operand_is_decimal
from sqlglot import exp

_NUMERIC = exp.DataType.build("DECIMAL(38, 9)")


def mend() -> None:
    all_rules = translator.get_all_rules
    translator.get_all_rules = lambda: [NumericIsDecimal(), ProductIsNumeric(), NumbersAsText(), *all_rules()]
    _tell_rules_all_types()
    _divide_by_floats()
    executor._translator = translator.SQLTranslator()


def _tell_rules_all_types() -> None:
    """Also those of a query's own literals, where no table is read."""
    apply = translator.SQLTranslator._apply_rules
    translator.SQLTranslator._apply_rules = lambda self, sql, *, schema=None: apply(self, sql, schema=schema or {})


def _divide_by_floats() -> None:
    """A NUMERIC with a FLOAT64 is a FLOAT64."""
    applies = DivDecimalRule.applies_to

    def applies_to(rule: DivDecimalRule, node: exp.Expr) -> bool:
        floats = isinstance(node, exp.Div) and any(
            side.is_type(*exp.DataType.FLOAT_TYPES) for side in (node.this, node.expression)
        )
        return not floats and applies(rule, node)

    DivDecimalRule.applies_to = applies_to


class NumericIsDecimal(TranslationRule):
    """NUMERIC has 9 decimals. DuckDB's DECIMAL has 3 by default."""

    name = "NUMERIC_IS_DECIMAL"

    def applies_to(self, node: exp.Expr) -> bool:
        if not isinstance(node, exp.DataType) or node.this != exp.DataType.Type.DECIMAL:
            return False
        return [part.name for part in node.expressions] in ([], ["18", "3"])  # sqlglot writes the default explicitly

    def rewrite(self, node: exp.Expr) -> exp.Expr:
        return _NUMERIC.copy()


class ProductIsNumeric(TranslationRule):
    """The product of two NUMERICs is a NUMERIC. DuckDB adds up their decimals."""

    name = "PRODUCT_IS_NUMERIC"

    def applies_to(self, node: exp.Expr) -> bool:
        inside = isinstance(node.parent, exp.Cast) and node.parent.to.this == exp.DataType.Type.DECIMAL
        return isinstance(node, exp.Mul) and not inside and all(map(_operand_is_decimal, (node.this, node.expression)))

    def rewrite(self, node: exp.Expr) -> exp.Expr:
        return exp.Cast(this=node.copy(), to=_NUMERIC.copy())


class NumbersAsText(TranslationRule):
    """1.50 becomes '1.5' and 1.0 becomes '1'. DuckDB writes the zeros."""

    name = "NUMBERS_AS_TEXT"

    def applies_to(self, node: exp.Expr) -> bool:
        if not isinstance(node, exp.Cast) or node.to.this not in exp.DataType.TEXT_TYPES:
            return False
        return _operand_is_decimal(node.this) or node.this.is_type(*exp.DataType.FLOAT_TYPES)

    def rewrite(self, node: exp.Expr) -> exp.Expr:
        text = node.sql(dialect="duckdb")
        return sqlglot.parse_one(
            f"regexp_replace(regexp_replace({text}, '(\\.[0-9]*[1-9])0+$', '\\1'), '\\.0+$', '')", read="duckdb"
        )
