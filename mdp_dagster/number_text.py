"""The numbers that MDP reads in text: one form, for ingest and for staging.

The patterns are in RE2's syntax, which Arrow, DuckDB and BigQuery share. dbt/macros/engine/types.sql has the same
patterns, so a text that ingest accepts is a number in staging, on both engines.
"""

from __future__ import annotations

import re
from decimal import Decimal

WHOLE_NUMBER = r"^-?[0-9]{1,18}([.]0+)?$"
"""A whole number that fits 64 bits; 30.0 is valid."""

DECIMAL_NUMBER = (
    r"^[ \t\n\f\r]*[+-]?("
    r"([0-9]{1,28}([.][0-9]*)?|[.][0-9]+)([eE]-[0-9]{1,4})?"
    r"|([0-9]{1,20}([.][0-9]*)?|[.][0-9]+)[eE][+]?0?[0-8]"
    r"|([0-9]{1,9}([.][0-9]*)?|[.][0-9]+)[eE][+]?[01]?[0-9]"
    r")[ \t\n\f\r]*$"
)
"""A decimal number, also with an exponent (.5, +4.5, 1e3, 1E-05).

The digits and a positive exponent are limited so that there are at most 28 digits before the point. Such a number fits
NUMERIC. DuckDB and BigQuery disagree about larger exponents, and about numbers that just do not fit.
"""

TOO_LARGE = 1e28
"""A double below this fits NUMERIC, as do the numbers in text."""

_DECIMAL_NUMBER = re.compile(DECIMAL_NUMBER.removesuffix("$") + r"\Z")


def decimal_number(text: str) -> Decimal | None:
    """Returns the number that the text is, or None if it is not a number of that form."""
    return Decimal(text.strip()) if _DECIMAL_NUMBER.match(text) else None
