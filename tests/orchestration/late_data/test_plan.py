"""The sensor's requests, given late days and active runs. Without Dagster."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data.active_runs import ActiveRun
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import MAX_RUNS, Plan, ProbeEvent, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.reload_cadence import DEFAULT, parse_cadence
from mdp_dagster.window import DateWindow, join_days

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc)
PROBED = NOW - timedelta(minutes=1)
MONEY = frozenset(["spend"])
EVERY_PROBE = ReloadTimes(parse_cadence("0+=1h"))
DEFAULT_TIMES = ReloadTimes(parse_cadence(DEFAULT))


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


def decide(
    days: LateDays,
    *runs: ActiveRun,
    memory: Memory | None = None,
    event: int = 7,
    now: datetime = NOW,
    times: ReloadTimes = EVERY_PROBE,
) -> Plan:
    return plan(ProbeEvent(event, PROBED, days), runs, memory or Memory(), times, now)


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
    assert planned.memory.waiting == {"a": (DateWindow.of_days(day(4), day(4)),)}
    still = decide(days, running, memory=planned.memory)
    assert asked(still) == [] and still.memory.waiting == planned.memory.waiting
    after = decide(days, memory=still.memory)
    assert asked(after) == ["2026-11-04...2026-11-04"]
    assert asked(decide(days, memory=after.memory)) == []


def test_a_run_of_other_accounts_covers_nothing() -> None:
    assert asked(decide(late((3, "a")), run(1, 8, "b"))) == ["2026-11-03...2026-11-03"]
    both = decide(late((3, "a"), (3, "b")), run(1, 8, "b"))
    assert asked(both) == ["2026-11-03...2026-11-03"] and both.requests[0].days == {"a": {day(3)}}
    assert asked(decide(late((3, "b")), run(1, 8, "ab"))) == []


def test_the_rest_of_an_event_is_requested_when_the_run_of_its_accounts_ends() -> None:
    """Account b waits for a run; account a's request for the same day does not cover it, and is not repeated."""
    days, running = late((3, "a"), (3, "b")), run(1, 8, "b", minutes_after_probe=-5)
    first = decide(days, running)
    assert [request.days for request in first.requests] == [{"a": {day(3)}}]
    rest = decide(days, memory=Memory.load(first.memory.dump()))
    assert [request.days for request in rest.requests] == [{"b": {day(3)}}]
    assert rest.requests[0].run_key != first.requests[0].run_key  # Dagster launches a key once


def test_a_run_covers_the_days_of_each_account_that_its_config_lists() -> None:
    window = DateWindow.of_days(day(1), day(8))
    running = ActiveRun("run-1", window, frozenset("ab"), None, {"a": {day(3)}, "b": {day(4)}}, builds=True)
    planned = decide(late((3, "a"), (4, "a"), (3, "b"), (4, "b"), (9, "a")), running)
    assert [request.days for request in planned.requests] == [{"b": {day(3)}, "a": {day(4)}}, {"a": {day(9)}}]
    # the run builds its window for all accounts: that is all that a day needs that was not built
    not_built = LateDays((LateDay("c", day(5), Reason.NOT_BUILT), LateDay("c", day(9), Reason.NOT_BUILT)), {})
    assert asked(decide(not_built, running)) == ["2026-11-09...2026-11-09"]
    assert len(asked(decide(not_built, replace(running, builds=False)))) == 2


def test_a_day_that_was_not_built_is_not_extracted() -> None:
    days = (LateDay("a", day(3), Reason.NOT_BUILT), LateDay("a", day(4), Reason.NEVER_LOADED))
    [request] = decide(LateDays(days, {})).requests
    assert str(request.window) == "2026-11-03...2026-11-04" and request.days == {"a": {day(4)}}
    [request] = decide(LateDays(days[:1], {})).requests
    assert str(request.window) == "2026-11-03...2026-11-03" and request.days == {}


def test_many_ranges_of_days_are_few_runs_and_the_gaps_between_them_are_not_extracted() -> None:
    numbers = [1, 3, 8, 10, 15, 20, 28]
    planned = decide(late(*((number, "a") for number in numbers)))
    assert asked(planned) == [
        "2026-11-01...2026-11-03", "2026-11-08...2026-11-10", "2026-11-15...2026-11-20", "2026-11-28...2026-11-28"
    ]  # fmt: skip
    assert {d for request in planned.requests for d in request.days["a"]} == {day(number) for number in numbers}


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


@pytest.mark.parametrize(
    "cursor", [None, "", "{", "[]", "7", '{"event": "x"}', '{"asked": {"a": 1}}', '{"waiting": {"a": "2026"}}']
)
def test_a_cursor_that_cannot_be_read_is_an_empty_memory(cursor: str | None) -> None:
    assert Memory.load(cursor) == Memory()


days_of_accounts = st.sets(st.tuples(st.integers(1, 28), st.sampled_from("ab")), max_size=30)
listed_days = st.none() | st.dictionaries(st.sampled_from("ab"), st.sets(st.integers(1, 28).map(day)))
active_runs = st.lists(
    st.builds(
        lambda ends, accounts, minutes, days: replace(run(min(ends), max(ends), accounts, minutes), days=days),
        st.tuples(st.integers(1, 28), st.integers(1, 28)),
        st.sampled_from([None, "a", "b", "ab"]),
        st.sampled_from([None, -5.0, 0.5]),
        listed_days,
    ),
    max_size=4,
)


@given(days_of_accounts, active_runs)
def test_every_late_day_of_an_account_is_requested_once_or_covered_or_waits(
    days: set[tuple[int, str]], runs: list[ActiveRun]
) -> None:
    found = late(*sorted(days))
    planned = decide(found, *runs)
    assert len(planned.requests) <= MAX_RUNS
    built = [d for request in planned.requests for d in request.window.days()]
    assert len(built) == len(set(built))
    requested = [
        (account, d) for request in planned.requests for account, days in request.days.items() for d in sorted(days)
    ]
    # nothing else is extracted, and nothing twice
    assert len(requested) == len(set(requested))
    free = {(d.account_id, d.date) for d in found.days if not any(active.covers(d) for active in runs)}
    assert set(requested) == free
    assert {d for _, d in requested} <= set(built)
    if len(join_days(d for _, d in free)) <= MAX_RUNS:
        # in addition, only a single day between two of them is built
        dates, one = {d for _, d in requested}, timedelta(days=1)
        assert all(d in dates or {d - one, d + one} <= dates for d in built)
    assert Memory.load(planned.memory.dump()) == planned.memory


def test_a_cursor_of_an_earlier_version_requests_its_waiting_days_and_no_others() -> None:
    """It lists days without accounts. Both days are late; the 3rd was requested in the event's first tick."""
    days = late((3, "a"), (4, "b"))
    cursor = json.loads(decide(late((3, "a"))).memory.dump()) | {"waiting": ["2026-11-04"]}
    planned = decide(days, memory=Memory.load(json.dumps(cursor)))
    assert [request.days for request in planned.requests] == [{"b": {day(4)}}]
    assert Memory.load(json.dumps(cursor | {"waiting": []})).event_id == 7


@given(days_of_accounts, st.sampled_from(list(Reason)))
def test_an_event_can_be_written_and_read_back(days: set[tuple[int, str]], reason: Reason) -> None:
    moved = ({"spend": 1.25, "conversions": -3.0}, "ab12", PROBED) if reason is Reason.RESTATED else ()
    found = LateDays(
        tuple(LateDay(a, day(n), reason, *moved) for n, a in sorted(days)),
        dict.fromkeys({a for _, a in days}, "EUR"),
        MONEY,
        dict.fromkeys({a for _, a in days}, "America/Los_Angeles"),
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
    # it does not have the time of the change, so the day does not wait
    assert asked(decide(found.on({day(1)}), times=DEFAULT_TIMES)) == ["2026-11-01...2026-11-01"]
