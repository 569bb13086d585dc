"""Query parameters: written ``$name`` in MDP's SQL, ``@name`` in BigQuery's, with their types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any

from google.cloud import bigquery

_TYPES = ((bool, "BOOL"), (int, "INT64"), (float, "FLOAT64"), (datetime, "TIMESTAMP"), (date, "DATE"), (str, "STRING"))
"""Subclasses first: a bool is an int, a datetime is a date."""


def in_bigquerys_words(sql: str, parameters: Mapping[str, Any]) -> str:
    """Only names that are parameters: JSON paths have a ``$`` too."""
    if not parameters:
        return sql
    return re.sub(rf"\$({'|'.join(map(re.escape, parameters))})\b", r"@\1", sql)


def typed(parameters: Mapping[str, Any]) -> list[bigquery.ScalarQueryParameter]:
    """Raises ``TypeError`` for a value of a type that SQL has no parameter for here."""
    return [bigquery.ScalarQueryParameter(name, _type(value), _value(value)) for name, value in parameters.items()]


def _type(value: Any) -> str:
    if value is None:
        return "STRING"
    for python_type, name in _TYPES:
        if isinstance(value, python_type):
            return name
    raise TypeError(f"{value!r} can't be a parameter")


def _value(value: Any) -> Any:
    return value.replace(tzinfo=timezone.utc) if isinstance(value, datetime) and value.tzinfo is None else value
