"""Query parameters: ``$name`` in MDP's SQL becomes ``@name`` in BigQuery's SQL, with a type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any

from google.cloud import bigquery

_TYPES = ((bool, "BOOL"), (int, "INT64"), (float, "FLOAT64"), (datetime, "TIMESTAMP"), (date, "DATE"), (str, "STRING"))
"""Subclasses come first: a bool is an int, and a datetime is a date."""


def with_bigquery_placeholders(sql: str, parameters: Mapping[str, Any]) -> str:
    """The SQL with ``@name`` for each parameter. Other ``$`` signs stay, because JSON paths contain them."""
    if not parameters:
        return sql
    return re.sub(rf"\$({'|'.join(map(re.escape, parameters))})\b", r"@\1", sql)


def query_parameters(parameters: Mapping[str, Any]) -> list[bigquery.ScalarQueryParameter]:
    """The parameters for BigQuery's client. Raises ``TypeError`` for a value of an unsupported type."""
    return [bigquery.ScalarQueryParameter(name, _type(value), _value(value)) for name, value in parameters.items()]


def _type(value: Any) -> str:
    if value is None:
        return "STRING"
    for python_type, name in _TYPES:
        if isinstance(value, python_type):
            return name
    raise TypeError(f"{value!r} can't be a query parameter → use one of {', '.join(name for _, name in _TYPES)}")


def _value(value: Any) -> Any:
    return value.replace(tzinfo=timezone.utc) if isinstance(value, datetime) and value.tzinfo is None else value
