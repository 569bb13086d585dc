"""Accepted differences in raw: the newest entries of the clients file count."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from mdp_dagster.clients.model import Clients
from mdp_dagster.ingest.accepted_differences import NEWEST, follow_accepted_differences
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.tables import ACCEPTED_DIFFERENCES

NOW = datetime(2026, 6, 1, 5, tzinfo=timezone.utc)
ENTRY = {"platform": "scripted", "account": "1", "day": "2026-05-01", "up_to": {"spend": 80}, "reason": "known"}


def accepting(stores: Stores, *entries: dict[str, Any]) -> Clients:
    data = stores.clients.model_dump(mode="json", exclude_none=True, exclude={"accepted_differences"})
    return Clients.model_validate({**data, "accepted_differences": entries})


def test_the_newest_entries_count_and_a_file_without_changes_adds_nothing(stores: Stores) -> None:
    stores.warehouse.prepare([ACCEPTED_DIFFERENCES])
    hours = 0

    def follow(*entries: dict[str, Any]) -> list[tuple[Any, ...]]:
        nonlocal hours
        hours -= 1  # the clock is set back again and again
        follow_accepted_differences(stores.warehouse, accepting(stores, *entries), "r", NOW + timedelta(hours=hours))
        rows = stores.warehouse.query(NEWEST).to_pylist()
        return sorted((r["account_id"], str(r["last_day"]), r["metric"], r["up_to"], r["reason"]) for r in rows)

    def written() -> int:
        return stores.warehouse.query(f"select 1 from {ACCEPTED_DIFFERENCES.id}").num_rows

    assert follow() == [] and written() == 0
    spend = ("1", "2026-05-01", "spend", 80.0, "known")
    assert follow(ENTRY) == [spend]
    assert follow(ENTRY) == [spend] and written() == 1
    other = {**ENTRY, "account": "2", "up_to": {"spend": 1, "clicks": 2}}
    expected = [spend, ("2", "2026-05-01", "clicks", 2.0, "known"), ("2", "2026-05-01", "spend", 1.0, "known")]
    assert follow(other, ENTRY) == expected
    assert follow(ENTRY, other) == expected and written() == 4
    assert follow() == [(None, "None", None, None, None)]
    assert follow() == [(None, "None", None, None, None)] and written() == 5
    assert follow(ENTRY) == [spend]
