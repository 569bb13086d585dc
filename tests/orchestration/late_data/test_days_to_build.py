"""A fact about all accounts changed: three years of 200 accounts are late, and one run builds them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import ProbeEvent, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.reload_cadence import DEFAULT, parse_cadence
from mdp_dagster.window import DateWindow

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
DAYS = DateWindow.of_days("2023-11-01", "2026-11-20")


@pytest.mark.slow
def test_one_run_builds_years_of_all_accounts_and_extracts_nothing() -> None:
    accounts = [str(1_000_000_000 + n) for n in range(200)]
    late = LateDays(tuple(LateDay(a, day, Reason.NOT_BUILT) for day in DAYS.days() for a in accounts), {})
    message = json.dumps(late.to_json())
    assert len(message) < 20_000
    read = LateDays.from_json(json.loads(message))
    assert read == late
    times = ReloadTimes(parse_cadence(DEFAULT))

    first = plan(ProbeEvent(1, NOW, read), [], Memory(), times, NOW)
    [request] = first.requests
    assert (request.window, request.days) == (DAYS, {})
    assert request.late.reason() == f"not built: {len(DAYS)} days of 200 accounts"
    # the run failed: it is requested again after an hour, then after two, and the memory stays small
    hour = NOW + timedelta(hours=1)
    second = plan(ProbeEvent(2, hour, read), [], Memory.load(first.memory.dump()), times, hour)
    assert [again.window for again in second.requests] == [DAYS]
    hour = NOW + timedelta(hours=2)
    third = plan(ProbeEvent(3, hour, read), [], Memory.load(second.memory.dump()), times, hour)
    assert third.requests == [] and len(third.memory.dump()) < 30_000
