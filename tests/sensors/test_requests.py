"""What the sensor asks for, given late days and the runs under way. No Dagster in here."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.late_days import LateDays
from mdp_dagster.sensors.requests import ActiveRun, Memory, Plan, plan
from mdp_dagster.window import DateWindow

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc)
PROBED = NOW - timedelta(minutes=1)


def day(number: int) -> date:
    return date(2026, 11, number)


def late(*days: tuple[int, str], spend: float = 1.0) -> LateDays:
    found = tuple(LateDay(account, day(number), Reason.RESTATED, spend) for number, account in days)
    return LateDays(found, {"a": "EUR", "b": "USD"})


def run(first: int, last: int, accounts: str | None = None, minutes_after_probe: float | None = 0.5) -> ActiveRun:
    started = None if minutes_after_probe is None else PROBED + timedelta(minutes=minutes_after_probe)
    covered = None if accounts is None else frozenset(accounts)
    return ActiveRun("run-1", DateWindow.of_days(day(first), day(last)), covered, started)


def decide(days: LateDays, *runs: ActiveRun, memory: Memory | None = None, event: int = 7, now: datetime = NOW) -> Plan:
    return plan(event, PROBED, days, runs, memory or Memory(), now)


def asked(planned: Plan) -> list[str]:
    return [str(request.window) for request in planned.requests]


def test_days_side_by_side_are_one_request() -> None:
    planned = decide(late((3, "a"), (5, "a"), (4, "b"), (9, "a")))
    assert asked(planned) == ["2026-11-03...2026-11-05", "2026-11-09...2026-11-09"]
    assert [request.late.accounts() for request in planned.requests] == [["a", "b"], ["a"]]
    assert len({request.run_key for request in planned.requests}) == 2
    assert planned.memory.event_id == 7


def test_an_event_is_dealt_with_once() -> None:
    days = late((3, "a"))
    first = decide(days)
    again = decide(days, memory=first.memory)
    assert asked(again) == []
    # even with its memory lost, the key is the same, and Dagster doesn't launch it twice
    assert decide(days).requests[0].run_key == first.requests[0].run_key


@pytest.mark.parametrize("minutes", [None, 0.5])
def test_a_run_that_is_queued_or_began_after_the_probe_has_its_days(minutes: float | None) -> None:
    planned = decide(late((3, "a"), (4, "a")), run(4, 8, minutes_after_probe=minutes))
    assert asked(planned) == ["2026-11-03...2026-11-03"]
    assert not planned.memory.waiting
    assert "2026-11-04 is covered by run run-1" in planned.said


def test_days_of_a_run_that_began_before_the_probe_wait_for_its_end() -> None:
    days, running = late((3, "a"), (4, "a")), run(4, 8, minutes_after_probe=-5)
    planned = decide(days, running)
    assert asked(planned) == ["2026-11-03...2026-11-03"]
    assert planned.memory.waiting == {day(4)}
    still = decide(days, running, memory=planned.memory)
    assert asked(still) == [] and still.memory.waiting == {day(4)}
    after = decide(days, memory=still.memory)
    assert asked(after) == ["2026-11-04...2026-11-04"]
    assert asked(decide(days, memory=after.memory)) == []


def test_a_run_of_other_accounts_covers_nothing() -> None:
    assert asked(decide(late((3, "a")), run(1, 8, "b"))) == ["2026-11-03...2026-11-03"]
    assert asked(decide(late((3, "a"), (3, "b")), run(1, 8, "b"))) == ["2026-11-03...2026-11-03"]
    assert asked(decide(late((3, "b")), run(1, 8, "ab"))) == []


def test_what_stays_late_is_asked_for_less_and_less_often() -> None:
    """An account that can be probed but not pulled would otherwise be pulled every hour, for ever."""
    memory, times = Memory(), []
    for hour in range(72):
        now = NOW + timedelta(hours=hour)
        planned = decide(late((3, "a")), memory=memory, event=10 + hour, now=now)
        memory = Memory.load(planned.memory.dump())
        times += [hour] * len(planned.requests)
    assert times == [0, 1, 3, 7, 15, 31, 55]
    # something new about the same day is asked for at once
    assert asked(decide(late((3, "a"), spend=2.0), memory=memory, event=99, now=NOW + timedelta(hours=72)))


@pytest.mark.parametrize("cursor", [None, "", "{", "[]", "7", '{"event": "x"}', '{"asked": {"a": 1}}'])
def test_a_cursor_that_cannot_be_read_is_an_empty_memory(cursor: str | None) -> None:
    assert Memory.load(cursor) == Memory()


days_of_accounts = st.sets(st.tuples(st.integers(1, 28), st.sampled_from("ab")), max_size=30)
active_runs = st.lists(
    st.builds(
        lambda ends, accounts, minutes: run(min(ends), max(ends), accounts, minutes),
        st.tuples(st.integers(1, 28), st.integers(1, 28)),
        st.sampled_from([None, "a", "b", "ab"]),
        st.sampled_from([None, -5.0, 0.5]),
    ),
    max_size=4,
)


@given(days_of_accounts, active_runs)
def test_every_late_day_is_asked_for_once_or_covered_or_waits(
    days: set[tuple[int, str]], runs: list[ActiveRun]
) -> None:
    found = late(*sorted(days))
    planned = decide(found, *runs)
    requested = [d for request in planned.requests for d in request.window.days()]
    assert len(requested) == len(set(requested))
    by_day = found.accounts_by_day()
    for late_day, accounts in by_day.items():
        covered = any(active.covers(late_day, accounts) for active in runs)
        assert (late_day in requested) == (not covered)
    assert set(requested) <= set(by_day) and planned.memory.waiting <= set(by_day)
    assert Memory.load(planned.memory.dump()) == planned.memory


@given(days_of_accounts, st.sampled_from(list(Reason)))
def test_the_event_says_the_late_days_and_can_be_read_back(days: set[tuple[int, str]], reason: Reason) -> None:
    moved = (1.25, -3.0) if reason is Reason.RESTATED else ()
    found = LateDays(
        tuple(LateDay(a, day(n), reason, *moved) for n, a in sorted(days)),
        {account: "EUR" for account in {a for _, a in days}},
    )
    assert LateDays.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_reasons_are_said_in_numbers() -> None:
    found = LateDays(
        (
            LateDay("a", day(1), Reason.RESTATED, 10.0, 2.0),
            LateDay("b", day(1), Reason.RESTATED, -4.5, 0.25),
            LateDay("b", day(2), Reason.NEVER_LOADED),
        ),
        {"a": "EUR", "b": "USD"},
    )
    assert found.reason() == "restated: 1 day of 2 accounts; never loaded: 1 day of 1 account"
    assert found.moved() == "spend +10.00 EUR, spend -4.50 USD, conversions +2.25"
    assert found.on({day(2)}).moved() == ""
