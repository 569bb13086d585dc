"""Windows of days, wherever in the calendar: no day lost, none twice, and a typed error beyond its ends."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.connectors.errors import HistoryError
from mdp_dagster.connectors.history import check_history, reachable
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.orchestration.partitions import daily_window, partition_window, range_tags, run_window, today
from mdp_dagster.settings import Settings
from mdp_dagster.window import DateWindow, join_days, months_before
from tests.support.effort import fuzzed

ONE_DAY = timedelta(days=1)
SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]
days = (
    st.dates()
    | st.dates(max_value=date(1, 3, 1))
    | st.dates(min_value=date(9999, 10, 1))
    | st.dates(date(2023, 12, 25), date(2024, 3, 5))
    | st.sampled_from([date(2024, 2, 29), date(2026, 3, 29), date(2026, 10, 25), date(2025, 12, 31)])
)


@st.composite
def windows(draw: st.DrawFn, longest: int = 400) -> DateWindow:
    start = draw(days.filter(lambda day: day < date.max))
    most = min(longest, (date.max - start).days)
    return DateWindow(start, start + timedelta(days=draw(st.integers(1, most))))


@fuzzed(300)
@given(start=days, end=days)
@example(date.min, date.min)
@example(date.max, date.min)
def test_any_two_days_are_a_window_or_a_value_error(start: date, end: date) -> None:
    if start < end:
        assert len(DateWindow(start, end)) == (end - start).days
    else:
        with pytest.raises(ValueError, match="→"):
            DateWindow(start, end)


@fuzzed(300)
@given(first=days | st.text(max_size=12), last=days | st.text(max_size=12))
@example(date.max, date.max)
@example("9999-12-31", "9999-12-31")
@example("", "\x00")
def test_any_first_and_last_day_are_a_window_or_a_value_error(first: date | str, last: date | str) -> None:
    try:
        window = DateWindow.of_days(first, last)
    except ValueError as error:
        assert str(error)
    else:
        assert (str(window.start), str(window.last)) == (str(date.fromisoformat(str(first))), str(window.last))
        assert window.last == date.fromisoformat(str(last))


@fuzzed(300)
@given(window=windows(), max_days=st.integers(1, 500) | st.integers(min_value=1))
def test_chunks_have_each_day_once_at_the_ends_of_the_calendar_too(window: DateWindow, max_days: int) -> None:
    chunks = list(window.chunks(max_days))
    assert [day for chunk in chunks for day in chunk.days()] == list(window.days())
    assert all(before.end == after.start for before, after in itertools.pairwise(chunks))
    assert all(len(chunk) <= max_days for chunk in chunks)


@fuzzed(150)
@given(window=windows(60))
def test_halving_down_to_days_gives_the_days(window: DateWindow) -> None:
    def halved(part: DateWindow) -> list[DateWindow]:
        if len(part) == 1:
            return [part]
        return [day for half in part.chunks((len(part) + 1) // 2) for day in halved(half)]

    assert [part.start for part in halved(window)] == list(window.days())


@fuzzed(300)
@given(st.lists(days.filter(lambda day: day < date.max) | st.dates(date(2024, 2, 20), date(2024, 3, 10)), max_size=40))
def test_joined_days_are_those_days_in_as_few_windows_as_can_be(given_days: list[date]) -> None:
    joined = join_days(given_days)
    assert [day for window in joined for day in window.days()] == sorted(set(given_days))
    assert all(before.end < after.start for before, after in itertools.pairwise(joined))


def test_the_last_day_of_the_calendar_is_refused_as_a_day_of_a_window() -> None:
    """A window ends with the day after its last, and there is none."""
    with pytest.raises(ValueError, match="9999-12-31.*→"):
        DateWindow.of_days(date.max, date.max)
    with pytest.raises(ValueError, match="9999-12-31.*→"):
        join_days([date.max])


@fuzzed(200)
@given(windows())
def test_a_runs_tags_lead_back_to_its_window(window: DateWindow) -> None:
    assert partition_window(range_tags(window)) == run_window(range_tags(window), SETTINGS) == window
    if len(window) == 1:
        assert partition_window({"dagster/partition": str(window.start)}) == window


@fuzzed(200)
@given(
    st.dictionaries(
        st.sampled_from([*range_tags(DateWindow(date(2026, 1, 1), date(2026, 1, 2))), "dagster/partition"]),
        st.text(max_size=12) | days.map(str),
    )
)
def test_any_tags_are_a_window_or_none_or_a_value_error(tags: dict[str, str]) -> None:
    try:
        partition_window(tags)
    except ValueError as error:
        assert str(error)


@fuzzed(150)
@given(st.sampled_from(sorted(available_timezones())))
def test_today_is_a_day_that_it_is_somewhere(zone: str) -> None:
    settings = Settings(_env_file=None, timezone=zone)  # type: ignore[call-arg]
    before, found, after = datetime.now(ZoneInfo(zone)), today(settings), datetime.now(ZoneInfo(zone))
    assert before.date() <= found <= after.date()
    assert abs(found - datetime.now(timezone.utc).date()) <= ONE_DAY
    assert daily_window(settings).last in (before.date(), found, after.date())


@fuzzed(200)
@given(day=days, months=st.integers(0, 10_000))
def test_months_before_any_day_is_a_day_or_a_value_error(day: date, months: int) -> None:
    try:
        found = months_before(day, months)
    except ValueError as error:
        assert "→" in str(error)
    else:
        assert (day.year - found.year) * 12 + day.month - found.month == months and found.day <= day.day


@fuzzed(150)
@given(report=st.sampled_from(REPORTS), months=st.integers(1, 60), window=windows())
def test_a_window_is_within_the_history_of_its_report_or_refused(
    report: DayReport, months: int, window: DateWindow
) -> None:
    report = replace(report, history_months=months)
    try:
        check_history(report, window)
    except HistoryError as error:
        assert "first day that can be requested" in str(error)
        part = reachable(report, window)
        assert part is None or (part.end == window.end and part.start > window.start)
    else:
        assert reachable(report, window) == window
