"""A probe of the schedule skips an account until its next interval begins, and no change is reloaded later for it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data.first_probes import FirstProbes
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import ProbeEvent, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.reload_cadence import parse_cadence

TIMES = ReloadTimes(parse_cadence("0-3=6h 4+=24h"))
TODAY = date(2026, 11, 20)
DAYS = 29
MINUTE = timedelta(minutes=1)


def at(hour: float) -> datetime:
    return datetime(2026, 11, 20, tzinfo=timezone.utc) + timedelta(hours=hour)


def probed(first: FirstProbes, *accounts: str, hour: float, late: tuple[LateDay, ...] = ()) -> FirstProbes:
    """The state after a probe, which the next one reads from the event log."""
    after = first.after(accounts, late, at(hour), at(hour) + MINUTE)
    return FirstProbes.from_json(first.times, json.loads(json.dumps(after.to_json())))


def due_hours(first: FirstProbes, account: str, days: int = DAYS, until: int = 48) -> list[int]:
    """The hours at which the account is probed, if each probe succeeds."""
    hours = []
    for hour in range(6, until):
        if first.is_due(account, days, at(hour + 0.33)):
            hours.append(hour)
            first = probed(first, account, hour=hour + 0.33)
    return hours


def test_an_account_is_probed_once_in_each_interval() -> None:
    first = probed(FirstProbes(TIMES), "a", hour=5.33)
    assert due_hours(first, "a") == [11, 17, 23, 29, 35, 41, 47]
    assert first.next_at(DAYS, at(6)) == at(11)
    weekly = FirstProbes(ReloadTimes(parse_cadence("0+=24h")))
    assert due_hours(weekly, "a") == [6, 29]


def test_an_account_is_counted_on_its_own() -> None:
    first = probed(FirstProbes(TIMES), "a", hour=5.33)
    assert due_hours(first, "b")[:2] == [6, 11]
    first = probed(first, "b", hour=6.33)
    assert not first.is_due("a", DAYS, at(7)) and not first.is_due("b", DAYS, at(7))


def test_an_account_that_failed_is_probed_with_the_next_probe() -> None:
    first = probed(FirstProbes(TIMES), "a", "b", hour=5.33)
    first = probed(first, "a", hour=11.33)  # b failed
    assert not first.is_due("a", DAYS, at(12.33)) and first.is_due("b", DAYS, at(12.33))


def test_with_an_interval_of_one_hour_every_probe_asks_every_account() -> None:
    first = probed(FirstProbes(ReloadTimes(parse_cadence("0=1h 1+=24h"))), "a", hour=5.33)
    assert first.is_due("a", DAYS, at(6.33))


def test_intervals_of_ages_that_an_account_does_not_have_do_not_count() -> None:
    first = probed(FirstProbes(ReloadTimes(parse_cadence("0-9=24h 10+=6h"))), "a", hour=5.33)
    assert first.is_due("a", DAYS, at(11.33)) and not first.is_due("a", 8, at(11.33))


def test_an_account_with_a_day_that_does_not_tie_is_probed_when_the_day_is_extracted_again() -> None:
    """After one, three and seven hours. Both sides must be new, or they are of different moments."""
    first = FirstProbes(ReloadTimes(parse_cadence("0+=24h")))
    late = LateDay("a", TODAY, Reason.UNEXPLAINED), LateDay("b", TODAY, Reason.NEVER_LOADED)
    hours = defaultdict(list)
    for hour in range(5, 29):
        for account in "ab":
            if first.is_due(account, DAYS, at(hour + 0.33)):
                hours[account].append(hour)
        first = probed(first, "a", "b", hour=hour + 0.33, late=late)
    assert hours == {"a": [5, 6, 8, 12], "b": [5]}
    first = probed(first, "a", hour=29.33)
    assert first.unexplained == {}


def test_a_probe_over_the_begin_of_an_interval_does_not_count_for_it() -> None:
    """Some of its answers are older than the interval."""
    first = FirstProbes(TIMES).after(["a"], [], at(10.9), at(11.1))
    assert first.is_due("a", DAYS, at(11.33))


@pytest.mark.parametrize("days_back", [0, 1])
def test_a_clock_that_was_set_back_makes_an_account_due(days_back: int) -> None:
    first = probed(FirstProbes(TIMES), "a", hour=35.33)
    assert first.is_due("a", DAYS, at(30 - 24 * days_back))


def test_accounts_that_were_probed_together_share_an_entry() -> None:
    accounts = [str(4_000_000_000 + n) for n in range(200)]
    assert len(json.dumps(FirstProbes(TIMES).after(accounts, [], at(6), at(6.1)).to_json())) < 4_000


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        "text",
        {},
        {"first_probes": 1, "unexplained": {}},
        {"first_probes": [[{"6": "x"}, ["a"]]], "unexplained": {}},
    ],
)
def test_without_a_readable_state_every_account_is_due(state: Any) -> None:
    first = FirstProbes.from_json(TIMES, state)
    assert first.is_due("a", DAYS, at(6)) and first == FirstProbes(TIMES)


def test_another_cadence_makes_accounts_due_for_its_new_intervals() -> None:
    state = probed(FirstProbes(TIMES), "a", hour=5.33).to_json()
    changed = FirstProbes.from_json(ReloadTimes(parse_cadence("0=3h 1-3=6h 4+=24h")), state)
    assert changed.is_due("a", DAYS, at(6.33))


@given(
    st.lists(st.tuples(st.integers(0, 12), st.floats(0, 95.9)), min_size=1, max_size=30),
    st.sets(st.integers(0, 23 + 96), max_size=20),
    st.sampled_from(["0-3=6h 4+=24h", "0=3h 1-3=6h 4+=24h", "0=2h 1-6=8h 7+=48h", "0+=24h"]),
)
def test_no_change_is_reloaded_later_than_with_the_probe_after_its_interval(
    changes: list[tuple[int, float]], failing: set[int], cadence: str
) -> None:
    """An account's days change at any time, and some probes fail. Each request is extracted at once.

    A day is extracted at most once in an interval. A probe that skips the account still lists its days.
    """
    times = ReloadTimes(parse_cadence(cadence))
    first, memory = FirstProbes(times), Memory()
    changed = [(TODAY - timedelta(days=age), at(hour)) for age, hour in changes]
    extracted: dict[date, datetime] = defaultdict(lambda: at(-1))
    extracts: dict[date, list[datetime]] = defaultdict(list)
    answers: list[datetime] = []
    found: dict[date, datetime] = {}  # when a change since the day's extract was first found
    for hour in range(24 * 8):
        now = at(hour + 0.33)
        if first.is_due("a", DAYS, now) and hour not in failing:
            before = answers[-1] if answers else at(-1)
            for day, moment in changed:
                if before < moment <= now:
                    found.setdefault(day, now)
            answers.append(now)
            first = probed(first, "a", hour=hour + 0.33)
        late = [
            first.dated(LateDay("a", day, Reason.RESTATED, {}, str(moment), moment, extracted[day]), "UTC", now)
            for day, moment in found.items()
        ]
        planned = plan(ProbeEvent(hour + 1, now, LateDays(tuple(late), {})), [], memory, times, now)
        memory = Memory.load(planned.memory.dump())
        for day in {day for request in planned.requests for day in request.days["a"]}:
            extracted[day] = now + MINUTE
            extracts[day].append(now)
            found.pop(day)
    for day, moment in changed:
        end = times.interval(times.step(day, "UTC", moment).hours, moment)[1]
        deadline = next(answer for answer in answers if answer >= end)
        # a probe failed, and meanwhile the day is old enough for a longer interval
        older = times.interval(times.step(day, "UTC", deadline).hours, moment)[1]
        deadline = next(answer for answer in answers if answer >= max(end, older))
        assert any(moment < extract <= deadline for extract in extracts[day])
    for day, moments in extracts.items():
        starts = [times.interval(times.step(day, "UTC", moment).hours, moment)[0] for moment in moments]
        assert len(starts) == len(set(starts)), f"{day} was extracted twice in an interval"
    shortest = min(step.hours for step in times.cadence.steps)
    assert len(answers) <= 24 * 8 / shortest + 1
