"""WHERE: a condition of a query as a test of a row, and the days that the conditions leave."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container
from datetime import date, datetime, timedelta
from typing import Any

from sandbox.google_ads.fields import FIELDS, FieldType, Row
from sandbox.google_ads.gaql import Condition, QueryError, Value

Test = Callable[[Row], bool]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MATCHING = ("LIKE", "NOT LIKE", "REGEXP_MATCH", "NOT REGEXP_MATCH")
_ALLOWED: dict[FieldType, frozenset[str]] = {
    "int": frozenset(("=", "!=", "<", "<=", ">", ">=", "IN", "NOT IN", "IS NULL", "IS NOT NULL")),
    "float": frozenset(("=", "!=", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL")),
    "bool": frozenset(("=", "!=", "IS NULL", "IS NOT NULL")),
    "enum": frozenset(("=", "!=", "IN", "NOT IN", "IS NULL", "IS NOT NULL")),
    "date": frozenset(("=", "<", "<=", ">", ">=", "BETWEEN", "DURING")),
    "string": frozenset(("=", "!=", "IN", "NOT IN", "IS NULL", "IS NOT NULL", *_MATCHING)),
}


def check_operator(condition: Condition) -> None:
    """Raises QueryError when the operator doesn't apply to the field."""
    if condition.operator not in _ALLOWED[FIELDS[condition.field].type]:
        raise QueryError(
            "OPERATOR_FIELD_MISMATCH",
            f"Operator '{condition.operator}' is not applicable to the field '{condition.field}'.",
        )


def compile_condition(condition: Condition, enum_values: Container[str] = ()) -> Test:
    """The condition as a test of a row; for any field but a date. `enum_values` are an enum field's constants."""
    check_operator(condition)
    field, op = FIELDS[condition.field], condition.operator
    get = field.get
    if op in ("IS NULL", "IS NOT NULL"):
        wanted_null = op == "IS NULL"
        return lambda row: (get(row) in (None, "")) is wanted_null
    values = [_convert(condition, value, field.type, enum_values) for value in condition.values]
    if op in ("IN", "NOT IN"):
        inside = op == "IN"
        return lambda row: (get(row) in values) is inside
    if op in _MATCHING:
        pattern = re.compile(values[0] if "REGEXP" in op else _like(values[0]), re.IGNORECASE | re.DOTALL)
        matching = not op.startswith("NOT")
        return lambda row: (pattern.fullmatch(get(row)) is not None) is matching
    compare, value = _COMPARE[op], values[0]
    return lambda row: compare(get(row), value)


def days_of(condition: Condition, today: date) -> tuple[str, str]:
    """The first and the last day, as ISO dates, that a condition on segments.date allows."""
    check_operator(condition)
    first, last = date(1970, 1, 1), date(2037, 12, 30)
    op = condition.operator
    if op == "DURING":
        first, last = _during(condition.values[0].text, today)
    else:
        days = [_day(condition, value) for value in condition.values]
        if op == "BETWEEN":
            first, last = days[0], days[1]
            if first > last:
                raise QueryError("DATE_RANGE_TOO_NARROW", "Filters on date have a start date after end date.")
        elif op == "=":
            first = last = days[0]
        elif op in ("<", "<="):
            last = days[0] - timedelta(days=op == "<")
        elif op in (">", ">="):
            first = days[0] + timedelta(days=op == ">")
    return first.isoformat(), last.isoformat()


def _day(condition: Condition, value: Value) -> date:
    for pattern in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return datetime.strptime(value.text, pattern).date()
        except ValueError:
            continue
    code = "INVALID_VALUE_WITH_BETWEEN_OPERATOR" if condition.operator == "BETWEEN" else "INVALID_DATE_FORMAT"
    raise QueryError(code, f"Invalid date literal supplied for filter on field '{condition.field}': '{value.text}'.")


def _during(name: str, today: date) -> tuple[date, date]:
    one = timedelta(days=1)
    first_of_month = today.replace(day=1)
    monday = today - timedelta(days=today.weekday())
    ranges = {
        "TODAY": (today, today),
        "YESTERDAY": (today - one, today - one),
        "LAST_7_DAYS": (today - 7 * one, today - one),
        "LAST_14_DAYS": (today - 14 * one, today - one),
        "LAST_30_DAYS": (today - 30 * one, today - one),
        "THIS_MONTH": (first_of_month, today),
        "LAST_MONTH": ((first_of_month - one).replace(day=1), first_of_month - one),
        "THIS_WEEK_MON_TODAY": (monday, today),
        "LAST_WEEK_MON_SUN": (monday - 7 * one, monday - one),
    }
    if name not in ranges:
        raise QueryError("INVALID_VALUE_WITH_DURING_OPERATOR", f"'{name}' is not a date range literal.")
    return ranges[name]


def _convert(condition: Condition, value: Value, type_: FieldType, enum_values: Container[str]) -> Any:
    text = value.text
    if type_ in ("int", "float"):
        try:
            return int(text) if type_ == "int" else float(text)
        except ValueError:
            raise QueryError("BAD_NUMBER", f"Invalid number '{text}' for the field '{condition.field}'.") from None
    if type_ == "bool":
        if text.upper() not in ("TRUE", "FALSE"):
            raise QueryError("BAD_VALUE", f"Invalid value '{text}' for the field '{condition.field}'.")
        return text.upper() == "TRUE"
    if type_ == "enum":
        if text not in enum_values:
            raise QueryError("BAD_ENUM_CONSTANT", f"Invalid enum value cannot be included in WHERE clause: '{text}'.")
        return text
    if not value.quoted:
        raise QueryError("INVALID_STRING_VALUE", f"Invalid value '{text}': expected a quoted string.")
    return text


def _like(pattern: str) -> str:
    """LIKE as a regular expression: % is any text, _ any character; [%], [_], [[], []] stand for themselves."""
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\[[\[\]%_]\]|.", pattern, re.DOTALL)
    return "".join(wild.get(part) or re.escape(part[1] if len(part) == 3 else part) for part in parts)
