"""A restated day is requested once in each interval of its age, and the sensor explains which days wait."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data.active_runs import ActiveRun
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import Plan, ProbeEvent, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.reload_cadence import parse_cadence
from mdp_dagster.window import DateWindow

TIMES = ReloadTimes(parse_cadence("0=3h 1-3=6h 4+=24h"))
TODAY = date(2026, 11, 20)


def at(hour: float, day: date = TODAY) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(hours=hour)


def late(age: int, changed: float, account: str = "a", reason: Reason = Reason.RESTATED) -> LateDay:
    return LateDay(account, TODAY - timedelta(days=age), reason, {"spend": 1.0}, f"{changed:.2f}", at(changed))


def decide(now: float, *days: LateDay, memory: Memory | None = None, zones: dict[str, str] | None = None) -> Plan:
    event = ProbeEvent(int(now * 60), at(now), LateDays(days, {}, time_zones=zones or {}))
    return plan(event, [], memory or Memory(), TIMES, at(now))


def requested(planned: Plan) -> set[tuple[str, int]]:
    return {(a, (TODAY - d).days) for request in planned.requests for a, days in request.days.items() for d in days}


@pytest.mark.parametrize(
    ("age", "changed", "requested_from"),
    [(0, 5.3, 8), (0, 7.9, 8), (0, 8, 11), (1, 5.3, 11), (3, 10.9, 11), (3, 11, 17), (4, 5.3, 29), (60, 4.9, 5)],
)
def test_a_changed_day_is_requested_after_the_end_of_its_interval(
    age: int, changed: float, requested_from: float
) -> None:
    day = late(age, changed)
    assert requested(decide(requested_from - 0.01, day)) == set()
    assert requested(decide(requested_from, day)) == {("a", age)} or requested_from >= 24
    # a day later, it is a day older
    assert requested(decide(requested_from + 0.33, day)) == {("a", age)}


def test_the_sensor_explains_which_days_wait_until_when_and_why() -> None:
    days = [late(0, 9.3, account) for account in "abc"] + [late(age, 9.3) for age in (2, 3, 5, 8, 11, 20)]
    planned = decide(9.4, *days)
    assert planned.requests == []
    assert planned.explanations == [
        "2026-11-20 of 3 accounts: next reload after 2026-11-20 11:00 UTC, because days of age 0 are reloaded every 3 "
        "hours",
        "2026-11-17...2026-11-18 of 1 account: next reload after 2026-11-20 11:00 UTC, because days of age 1-3 are "
        "reloaded every 6 hours",
        "4 days from 2026-10-31 to 2026-11-15 of 1 account: next reload after 2026-11-21 05:00 UTC, because days of "
        "age 4 and more are reloaded once a day",
    ]


@pytest.mark.parametrize("reason", [Reason.SETTLED, Reason.CHECKPOINT])
def test_a_settled_day_and_a_checkpoint_wait_for_the_next_morning(reason: Reason) -> None:
    """Then they share the requests of the restated days of their age."""
    day = late(14, 15, reason=reason)
    assert requested(decide(28.9, day)) == set() and requested(decide(29.33, day)) == {("a", 14)}
    read = LateDays.from_json(json.loads(json.dumps(LateDays((day,), {}).to_json()))).days
    assert read[0].changed_at == day.changed_at


@pytest.mark.parametrize("reason", [Reason.NEVER_LOADED, Reason.NOT_BUILT, Reason.UNEXPLAINED])
def test_a_day_that_is_late_for_another_reason_does_not_wait(reason: Reason) -> None:
    assert [request.late.days for request in decide(9.4, late(20, 9.3, reason=reason)).requests] != []


def test_the_age_is_counted_in_the_accounts_time_zone_and_in_utc_if_it_is_unknown() -> None:
    """At 02:30 UTC of the 21st, it is still the 20th in Los Angeles, and the day is reloaded like today's."""
    zones = {"a": "America/Los_Angeles", "b": "", "c": "Mars/Olympus"}
    days = [late(0, 24.5, account) for account in "abc"]
    assert requested(decide(26.5, *days, zones=zones)) == {("a", 0)}
    assert requested(decide(29.5, *days, zones=zones)) == {("a", 0), ("b", 0), ("c", 0)}


def test_a_request_without_success_is_repeated_after_a_pause_or_with_the_next_interval() -> None:
    """The platform does not answer for the campaigns. The totals stay, or move on with every probe."""
    same, moving = late(1, 4.9, "same"), [late(0, 4.9, "moving"), late(0, 4.95, "moving")]
    memory, hours = Memory(), defaultdict(list)
    for hour in range(5, 24):
        # the first change since the extract stays the same, because no extract succeeds
        changing = LateDay("moving", TODAY, Reason.RESTATED, {"spend": 1.0}, str(hour), moving[0].changed_at)
        planned = decide(hour + 0.33, same, changing, memory=memory)
        memory = Memory.load(planned.memory.dump())
        for account, _ in requested(planned):
            hours[account].append(hour)
    assert hours == {"same": [5, 6, 8, 12, 20], "moving": [5, 8, 11, 14, 17, 20, 23]}


def test_a_run_that_extracts_a_waiting_interval_covers_it_although_it_began_before_the_probe() -> None:
    """The daily run is still extracting at the first probe: its days are not extracted again when it ends."""
    window = DateWindow.of_days(TODAY - timedelta(days=7), TODAY)
    running = [ActiveRun("daily", window, None, at(5), builds=True)]
    event = ProbeEvent(1, at(5.33), LateDays((late(0, 4.33), late(6, 4.33), late(8, 4.33)), {}))
    planned = plan(event, running, Memory(), TIMES, at(5.34))
    assert requested(planned) == {("a", 8)} and not planned.memory.waiting
    every_probe = plan(event, running, Memory(), ReloadTimes(parse_cadence("0+=1h")), at(5.34))
    assert set(every_probe.memory.waiting) == {"a"}


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc))
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])


@given(moments, zones, st.sampled_from([2, 3, 4, 6, 8, 12, 24, 48, 168]))
def test_intervals_follow_each_other_and_begin_with_the_daily_run(now: datetime, zone: str, hours: int) -> None:
    times = ReloadTimes(parse_cadence(f"0+={hours}h"), zone)
    start, end = times.interval(hours, now)
    assert start <= now < end
    assert times.interval(hours, end)[0] == end
    if hours >= 24:
        assert start.astimezone(ZoneInfo(zone)).hour == 5


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 71)), max_size=60))
def test_a_day_is_requested_once_in_an_interval_and_never_forgotten(changes: list[tuple[int, int]]) -> None:
    """Three days of hourly probes; each request is extracted at once. Days of one account change at any hour."""
    extracted: dict[date, datetime] = defaultdict(lambda: at(-1))
    asked: dict[date, list[datetime]] = defaultdict(list)
    memory = Memory()
    changed_at = {(TODAY - timedelta(days=n), at(hour)) for n, hour in changes}
    for hour in range(24 * 5):
        now = at(hour + 0.33)
        days = []
        for day in {d for d, _ in changed_at}:
            since = [moment for d, moment in changed_at if d == day and extracted[day] < moment <= now]
            if since:
                days.append(LateDay("a", day, Reason.RESTATED, {"spend": 1.0}, str(max(since)), min(since)))
        planned = plan(ProbeEvent(hour + 1, now, LateDays(tuple(days), {})), [], memory, TIMES, now)
        memory = Memory.load(planned.memory.dump())
        for request in planned.requests:
            for day in request.days["a"]:
                asked[day].append(now)
                extracted[day] = now + timedelta(minutes=1)
    for day, moments_of_day in asked.items():
        for before, after in itertools.pairwise(moments_of_day):
            hours = TIMES.cadence.step((after.date() - day).days).hours
            assert TIMES.interval(hours, before)[0] < TIMES.interval(hours, after)[0]
    assert all(extracted[day] > moment for day, moment in changed_at)
