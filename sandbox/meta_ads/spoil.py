"""Faults inside an answer: empty pages that go on, rows that stand twice, and rows that no service should send."""

from __future__ import annotations

import json
from typing import Any

from sandbox.faults import Fault, Faults
from sandbox.meta_ads.wire import Request, next_url, start_of

_RUBBISH: dict[str, Any] = {
    "spend": "abc",
    "impressions": "many",
    "date_start": "20-13-0045",
    "actions": "none",
}


def spoilt(
    request: Request, data: list[str], paging: dict[str, Any], faults: Faults, account_id: str, method: str
) -> tuple[list[str], dict[str, Any]]:
    """A page of rows, as the faults `empty_page_with_next`, `duplicate_rows` and `malformed` leave it."""

    def take(kind: str) -> Fault | None:
        return faults.take("meta_ads", (kind,), account_id=account_id, method=method)

    if not data:
        return data, paging
    if take("empty_page_with_next"):
        return [], {"next": next_url(request, start_of(request))}
    if fault := take("duplicate_rows"):
        data = data + data[: int(fault.number("rows"))]
    if fault := take("malformed"):
        index = int(fault.number("row")) % len(data)
        row = _malformed(json.loads(data[index]), str(fault.params["field"]))
        data = [*data[:index], json.dumps(row), *data[index + 1 :]]
    return data, paging


def _malformed(row: dict[str, Any], field: str) -> dict[str, Any]:
    if field in _RUBBISH:
        return row | {field: _RUBBISH[field]}
    return {name: value for name, value in row.items() if name != field}
