"""The accepted differences in raw__accepted_differences: the clients file's entries, for dbt and for the late days.

A person accepts that an account's campaigns differ from its total on some days, up to an amount for each metric. The
reconciliation then names the reason, and the days are not late because of it. A larger difference is not accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

from mdp_dagster.clients.model import Clients
from mdp_dagster.ingest.tables import ACCEPTED_DIFFERENCES
from mdp_dagster.warehouse.base import Append, Unit, Warehouse

# dbt's accepted_differences has the same rule (dbt/macros/raw/accepted_differences.sql).
NEWEST = f"""
    select *
    from {ACCEPTED_DIFFERENCES.id}
    qualify rank() over (order by ingested_at desc, extract_run_id desc) = 1
"""
"""The query for the rows that count."""
_PROVENANCE = ("extract_run_id", "ingested_at")


def follow_accepted_differences(warehouse: Warehouse, clients: Clients, run_id: str, now: datetime) -> None:
    """Appends the file's accepted differences if they have changed."""
    known = warehouse.query(NEWEST).to_pylist()
    found = sorted(_rows(clients), key=_order)
    before = sorted(
        ({name: row[name] for name in row if name not in _PROVENANCE} for row in known if row["source"]), key=_order
    )
    if found == before:
        return
    if known:  # the newest rows count, even if the clock was set back
        now = max(now, known[0]["ingested_at"].replace(tzinfo=timezone.utc) + timedelta(microseconds=1))
    stamp = {"extract_run_id": run_id, "ingested_at": now}
    rows = [{**row, **stamp} for row in found or [{"source": None}]]
    table = pa.Table.from_pylist(rows, ACCEPTED_DIFFERENCES.schema)
    warehouse.commit([Unit([Append(ACCEPTED_DIFFERENCES, table)])])


def _rows(clients: Clients) -> Iterator[dict[str, Any]]:
    for entry in clients.accepted_differences:
        for metric, up_to in entry.up_to.model_dump(exclude_none=True).items():
            yield {
                "source": entry.platform,
                "account_id": entry.account,
                "first_day": entry.first_day,
                "last_day": entry.last_day,
                "metric": metric,
                "up_to": up_to,
                "reason": entry.reason,
                "accepted_by": entry.accepted_by,
            }


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["source"], row["account_id"], row["first_day"], row["metric"]
