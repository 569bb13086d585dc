"""The sensor's requests, given late days and active runs. Without Dagster."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import ActiveRun, Memory, Plan, ProbeEvent, plan
from mdp_dagster.window import DateWindow

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc)
PROBED = NOW - timedelta(minutes=1)
MONEY = frozenset(["spend"])


def day(number: int) -> date:
    return date(2026, 11, number)


def late(*days: tuple[int, str], totals: str = "aa") -> LateDays:
    found = tuple(
        LateDay(account, day(number), Reason.RESTATED, {"spend": 1.0, "conversions": 0.0}, totals)
        for number, account in days
    )
    return LateDays(found, {"a": "EUR", "b": "USD"}, MONEY)


def run(first: int, last: int, accounts: str | None = None, minutes_after_probe: float | None = 0.5) -> ActiveRun:
    started = None if minutes_after_probe is None else PROBED + timedelta(minutes=minutes_after_probe)
    covered = None if accounts is None else frozenset(accounts)
    return ActiveRun("run-1", DateWindow.of_days(day(first), day(last)), covered, started)


def decide(days: LateDays, *runs: ActiveRun, memory: Memory | None = None, event: int = 7, now: datetime = NOW) -> Plan:
    return plan(ProbeEvent(event, PROBED, days), runs, memory or Memory(), now)


def asked(planned: Plan) -> list[str]:
    return [str(request.window) for request in planned.requests]


def test_days_side_by_side_are_one_request() -> None:
    planned = decide(late((3, "a"), (5, "a"), (4, "b"), (9, "a")))
    assert asked(planned) == ["2026-11-03...2026-11-05", "2026-11-09...2026-11-09"]
    assert [request.late.accounts() for request in planned.requests] == [["a", "b"], ["a"]]
    assert len({request.run_key for request in planned.requests}) == 2
    assert planned.memory.event_id == 7


def test_an_event_is_handled_once() -> None:
    days = late((3, "a"))
    first = decide(days)
    again = decide(days, memory=first.memory)
    assert asked(again) == []
    # even with its memory lost, the key is the same, and Dagster doesn't launch it twice
    assert decide(days).requests[0].run_key == first.requests[0].run_key


@pytest.mark.parametrize("minutes", [None, 0.5])
def test_a_run_that_is_queued_or_began_after_the_probe_covers_its_days(minutes: float | None) -> None:
    planned = decide(late((3, "a"), (4, "a")), run(4, 8, minutes_after_probe=minutes))
    assert asked(planned) == ["2026-11-03...2026-11-03"]
    assert not planned.memory.waiting
    assert "2026-11-04...2026-11-04: covered by run run-1" in planned.explanations


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


def asked_hours(days_of: Callable[[int], LateDays], hours: int) -> dict[str, list[int]]:
    """The hours in which each account is requested, with a probe every hour that finds ``days_of(hour)``."""
    memory, found = Memory(), {}
    for hour in range(hours):
        planned = decide(days_of(hour), memory=memory, event=10 + hour, now=NOW + timedelta(hours=hour))
        memory = Memory.load(planned.memory.dump())
        for account in {account for request in planned.requests for account in request.late.accounts()}:
            found.setdefault(account, []).append(hour)
    return found


def test_days_that_stay_late_are_requested_less_and_less_often() -> None:
    """For as long as it is late: a lookback is three months."""
    hours = asked_hours(lambda hour: late((3, "a")), 24 * 90)["a"]
    assert hours[:6] == [0, 1, 3, 7, 15, 31]
    assert {after - before for before, after in itertools.pairwise(hours[5:])} == {24}


def test_a_day_that_changes_again_is_requested_at_once() -> None:
    """One conversion more each hour, or clicks alone, which leave spend and conversions as they are."""
    assert asked_hours(lambda hour: late((3, "a"), totals=f"{hour:02}"), 30)["a"] == list(range(30))


def test_an_account_that_cannot_be_loaded_does_not_affect_the_others() -> None:
    """Account b has never been loadable; a has one late day, today, which changes every hour. b's days roll on."""

    def days_of(hour: int) -> LateDays:
        never = [
            LateDay("b", date(2026, 8, 1) + timedelta(days=n + hour // 24), Reason.NEVER_LOADED) for n in range(90)
        ]
        return LateDays((*late((20, "a"), totals=f"{hour:02}").days, *never), {})

    asked = asked_hours(days_of, 72)
    assert asked["a"] == list(range(72))
    # once more at midnight, when a day comes into the window: that day alone
    assert asked["b"] == [0, 1, 3, 7, 15, 24, 25, 27, 31, 39, 48, 49, 51, 55, 63]


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
def test_every_late_day_is_requested_once_or_covered_or_waits(
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
def test_an_event_can_be_written_and_read_back(days: set[tuple[int, str]], reason: Reason) -> None:
    moved = ({"spend": 1.25, "conversions": -3.0}, "ab12") if reason is Reason.RESTATED else ()
    found = LateDays(
        tuple(LateDay(a, day(n), reason, *moved) for n, a in sorted(days)),
        dict.fromkeys({a for _, a in days}, "EUR"),
        MONEY,
    )
    assert LateDays.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_reasons_and_changes_are_described_in_numbers() -> None:
    found = LateDays(
        (
            LateDay("a", day(1), Reason.RESTATED, {"spend": 10.0, "conversions": 2.0}),
            LateDay("b", day(1), Reason.RESTATED, {"spend": -4.5, "conversions": 0.25}),
            LateDay("b", day(2), Reason.NEVER_LOADED),
        ),
        {"a": "EUR", "b": "USD"},
        MONEY,
    )
    assert found.reason() == "restated: 1 day of 2 accounts; never loaded: 1 day of 1 account"
    assert found.moved() == "spend +10.00 EUR, spend -4.50 USD, conversions +2.25"
    assert found.on({day(2)}).moved() == ""


def restated(moved: dict[str, float], currency: str = "EUR", money: frozenset[str] = MONEY) -> LateDays:
    return LateDays((LateDay("a", day(1), Reason.RESTATED, moved, "ab12"),), {"a": currency}, money)


def test_changes_are_described_by_the_amounts_that_the_report_declares() -> None:
    money = frozenset(["spend", "revenue"])
    assert restated({"spend": -3.93, "conversions": 8.66}).moved() == "spend -3.93 EUR, conversions +8.66"
    assert restated({"spend": -3.93}, currency="").moved() == "spend -3.93 unknown currency"
    assert restated({"revenue": 12.0}, money=money).moved() == "revenue +12.00 EUR"
    assert restated({"orders": 0.0, "revenue": 12.0}, money=money).moved() == "revenue +12.00 EUR"
    assert restated({"spend": 0.0, "conversions": 0.001}).moved() == "neither spend nor conversions in sum"
    assert restated({"orders": 0.0}).moved() == "orders unchanged in sum"


def test_an_event_of_an_earlier_version_can_be_read() -> None:
    event = {
        "days": {"2026-11-01": {"a": ["restated", -3.93, 8.66, "ab12"], "b": ["never loaded"]}},
        "currencies": {"a": "EUR", "b": "USD"},
    }
    found = LateDays.from_json(event)
    assert found.on({day(1)}).days[0] == restated({"spend": -3.93, "conversions": 8.66}).days[0]
    assert found.moved() == "spend -3.93 EUR, conversions +8.66"
