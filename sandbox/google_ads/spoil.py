"""Faults inside an answer: rows that stand twice, and rows that no service should send."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sandbox.faults import Faults
from sandbox.google_ads.fields import Row


class _NotADate:
    """Stands for a day in segments.date, and isn't one."""

    def isoformat(self) -> str:
        return "20-13-0045"


def spoilt(rows: list[Row], faults: Faults, account_id: str, method: str) -> list[Row]:
    """The rows, as the faults `duplicate_rows` and `malformed` leave them."""
    if rows and (fault := faults.take("google_ads", ("duplicate_rows",), account_id=account_id, method=method)):
        rows = rows + rows[: int(fault.number("rows"))]
    if rows and (fault := faults.take("google_ads", ("malformed",), account_id=account_id, method=method)):
        index = int(fault.number("row")) % len(rows)
        rows = list(rows)
        rows[index] = _malformed(rows[index], str(fault.params["field"]))
    return rows


def _malformed(row: Row, field: str) -> Row:
    changes: dict[str, Any]
    if field == "conversions":
        not_a_number: Any = math.nan
        changes = {"metrics": replace(row.metrics, conversions=not_a_number)}
    elif field == "campaign_id" and row.campaign is not None:
        changes = {"campaign": replace(row.campaign, id=0)}
    else:
        changes = {"day": _NotADate()}
    return replace(row, **changes)
