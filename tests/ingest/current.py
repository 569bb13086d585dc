"""Raw's current rows by the ledger's rule, spelled out in Python: the tests' second opinion."""

from __future__ import annotations

from typing import Any

from mdp_dagster.ingest.tables import EXTRACTS, report_table
from mdp_dagster.warehouse.base import Warehouse

from .scripted import REPORT

CONTENT = [column.name for column in REPORT.columns]


def current_rows(warehouse: Warehouse) -> dict[tuple[str, Any], list[tuple[Any, ...]]]:
    """The rows of each (account, day) that count now, as sorted tuples of the report's columns."""
    newest: dict[tuple[str, Any], dict[str, Any]] = {}
    for entry in warehouse.query(f"select * from {EXTRACTS.id} where report = '{REPORT.name}'").to_pylist():
        key = entry["account_id"], entry["date"]
        if key not in newest or newest[key]["extracted_at"] < entry["extracted_at"]:
            newest[key] = entry
    raw = warehouse.query(f"select * from {report_table(REPORT).id}").to_pylist()
    current: dict[tuple[str, Any], list[tuple[Any, ...]]] = {key: [] for key in newest}
    for r in raw:
        key = r["account_id"], r["date"]
        if newest[key]["effective_run_id"] == r["extract_run_id"]:
            current[key].append(tuple(r[name] for name in CONTENT))
    assert all(len(rows) == newest[key]["row_count"] for key, rows in current.items())
    return {key: sorted(rows, key=str) for key, rows in current.items() if rows}


def counts(warehouse: Warehouse) -> dict[str, int]:
    """Rows in each raw table."""
    return {
        name: warehouse.query(f"select count(*) as n from mdp_raw.{name}").to_pylist()[0]["n"]
        for name in (report_table(REPORT).name, "raw__extracts", "raw__rejects", "raw__accounts")
    }
