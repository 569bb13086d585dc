"""A window is a half-open range of days, in every part of the calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.window import DateWindow, months_before

days = st.dates(date(1999, 12, 1), date(2030, 1, 31))
windows = st.builds(lambda start, length: DateWindow(start, start + timedelta(days=length)), days, st.integers(1, 900))


@given(days, days)
def test_a_window_has_at_least_one_day_or_is_refused(start: date, end: date) -> None:
    if end > start:
        assert len(DateWindow(start, end)) == (end - start).days
    else:
        with pytest.raises(ValueError, match="ends before it begins"):
            DateWindow(start, end)


@given(windows)
def test_the_last_day_is_in_the_window_and_the_end_is_not(window: DateWindow) -> None:
    listed = list(window.days())
    assert listed == sorted(set(listed)) and len(listed) == len(window)
    assert listed[0] == window.start in window and listed[-1] == window.last in window
    assert window.end not in window and window.start - timedelta(days=1) not in window
    assert window.end == window.last + timedelta(days=1)


@given(windows, days)
def test_exactly_the_listed_days_are_in_the_window(window: DateWindow, day: date) -> None:
    assert (day in window) == (day in set(window.days()))


@given(windows)
def test_first_and_last_day_give_the_same_window_as_start_and_end(window: DateWindow) -> None:
    assert DateWindow.of_days(window.start, window.last) == window
    assert DateWindow.of_days(window.start.isoformat(), window.last.isoformat()) == window
    assert str(window) == f"{window.start.isoformat()}...{window.last.isoformat()}"


@given(windows, st.integers(1, 1000))
@example(DateWindow(date(2024, 2, 1), date(2024, 3, 1)), 29)
def test_chunks_have_each_day_once_and_are_not_too_long(window: DateWindow, max_days: int) -> None:
    chunks = list(window.chunks(max_days))
    assert [day for chunk in chunks for day in chunk.days()] == list(window.days())
    assert all(len(chunk) == max_days for chunk in chunks[:-1]) and 1 <= len(chunks[-1]) <= max_days


@pytest.mark.parametrize("max_days", [0, -1])
def test_chunks_without_a_day_are_refused(max_days: int) -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        list(DateWindow.of_days("2026-01-01", "2026-01-31").chunks(max_days))


@given(windows, windows)
def test_windows_compare_and_hash_by_their_days(one: DateWindow, other: DateWindow) -> None:
    assert (one == other) == (list(one.days()) == list(other.days()))
    assert (one < other) == ((one.start, one.end) < (other.start, other.end))
    assert hash(one) == hash(DateWindow(one.start, one.end))


def test_an_invalid_day_is_refused() -> None:
    with pytest.raises(ValueError, match="day is out of range"):
        DateWindow.of_days("2026-02-29", "2026-03-01")
    with pytest.raises(TypeError):
        _ = datetime(2026, 1, 1) in DateWindow.of_days("2026-01-01", "2026-01-31")


@given(st.dates(date(1900, 1, 1), date.max), st.integers(0, 500))
@example(date(2024, 2, 29), 12)
@example(date(2026, 3, 31), 1)
@example(date(2026, 12, 31), 0)
@example(date(2026, 1, 31), 37)
@example(date.max, 0)
def test_months_before_is_the_same_day_of_the_month_or_its_last(day: date, months: int) -> None:
    assert months_before(day, months) == day - relativedelta(months=months)
