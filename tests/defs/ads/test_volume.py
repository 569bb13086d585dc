"""An account's row count is odd if it is far from earlier counts of the weekday, once the history is long enough."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.defs.ads.volume import MIN_WEEKS, WEEKS, Oddity, odd_days
from mdp_dagster.window import DateWindow

MONDAY = date(2026, 6, 1)
DAY = DateWindow(MONDAY, MONDAY + timedelta(days=1))
WEEK = DateWindow(MONDAY, MONDAY + timedelta(days=7))
HISTORY = DateWindow(MONDAY - timedelta(weeks=WEEKS), MONDAY)

Counts = dict[tuple[str, str, date], int]


def counts(per_day: int, window: DateWindow = HISTORY, account: str = "1", platform: str = "google_ads") -> Counts:
    return {(platform, account, day): per_day for day in window.days() if per_day}


def found(rows: Counts, window: DateWindow = DAY) -> list[tuple[str, date, int, float]]:
    return [(odd.account_id, odd.date, odd.rows, odd.usual) for odd in odd_days(rows, window)]


@pytest.mark.parametrize(("there", "odd"), [(0, True), (4, True), (5, False), (10, False), (20, False), (21, True)])
def test_less_than_half_or_more_than_twice_the_usual_is_odd(there: int, odd: bool) -> None:
    rows = counts(10) | counts(there, DAY)
    assert found(rows) == ([("1", MONDAY, there, 10)] if odd else [])


def test_an_oddity_names_the_account_and_the_platform() -> None:
    rows = counts(10, account="7", platform="meta_ads") | counts(10) | counts(9, DAY)
    assert odd_days(rows, DAY) == [Oddity("meta_ads", "7", MONDAY, 0, 10)]


def test_each_weekday_is_compared_with_itself() -> None:
    """An agency pauses everything at weekends, and starts ten times as many campaigns on Mondays."""

    def usual(day: date) -> int:
        return 0 if day.weekday() >= 5 else 100 if day.weekday() == 0 else 10

    rows = {("google_ads", "1", day): usual(day) for day in [*HISTORY.days(), *WEEK.days()] if usual(day)}
    assert found(rows, WEEK) == []
    saturday = MONDAY + timedelta(days=5)
    assert found(rows | {("google_ads", "1", saturday): 10}, WEEK) == [("1", saturday, 10, 0)]


def test_one_outlier_in_the_history_has_no_effect() -> None:
    rows = counts(10) | {("google_ads", "1", MONDAY - timedelta(weeks=2)): 10_000} | counts(10, DAY)
    assert found(rows) == []


def test_an_account_that_stops_delivering_is_reported_until_zero_is_usual() -> None:
    """After half of the eight weeks, zero is the usual count."""
    rows = counts(10)
    later = DateWindow(MONDAY, MONDAY + timedelta(weeks=WEEKS))
    reported = [day for _, day, _, _ in found(rows, later)]
    assert reported == list(DateWindow(MONDAY, MONDAY + timedelta(weeks=5)).days())
    assert found(rows, DateWindow(later.end, later.end + timedelta(days=7))) == []


def test_an_account_that_delivers_again_is_reported() -> None:
    rows = counts(10, DateWindow(HISTORY.start, HISTORY.start + timedelta(days=1))) | counts(10, DAY)
    assert found(rows) == [("1", MONDAY, 10, 0)]


@pytest.mark.parametrize("weeks", range(WEEKS + 1))
def test_a_new_account_is_judged_once_it_has_some_weeks(weeks: int) -> None:
    rows = counts(10, DateWindow(MONDAY - timedelta(weeks=weeks), DAY.end)) | counts(100, DAY)
    assert bool(found(rows)) == (weeks >= MIN_WEEKS)


def test_an_account_with_its_first_day_inside_the_window_is_new() -> None:
    assert found(counts(10, WEEK), WEEK) == []


def test_days_without_rows_after_the_first_day_count_as_zero() -> None:
    first_only = {("google_ads", "1", HISTORY.start): 10}
    assert found(first_only) == []
    assert found(first_only | counts(2, DAY)) == [("1", MONDAY, 2, 0)]


def test_a_single_row_where_zero_is_usual_is_not_odd() -> None:
    first_only = {("google_ads", "1", HISTORY.start): 10}
    assert found(first_only | counts(1, DAY)) == []


@pytest.mark.parametrize(
    ("usual", "there", "odd"), [(1, 0, True), (1, 1, False), (1, 2, False), (1, 3, True), (2, 1, False)]
)
def test_small_counts_follow_the_same_rule(usual: int, there: int, odd: bool) -> None:
    assert bool(found(counts(usual) | counts(there, DAY))) is odd


def test_an_empty_history_has_no_oddity() -> None:
    assert odd_days({}, WEEK) == []


# ---- invariants ------------------------------------------------------------------------------------------------------

histories = st.dictionaries(
    st.tuples(
        st.sampled_from(["google_ads", "meta_ads"]),
        st.sampled_from(["1", "2"]),
        st.integers(0, WEEKS * 7 + 6).map(lambda n: HISTORY.start + timedelta(days=n)),
    ),
    st.integers(1, 50),
    max_size=120,
)


@given(histories)
def test_a_day_is_reported_exactly_when_it_is_far_from_the_median_before(rows: Counts) -> None:
    """This repeats the definition."""
    expected = []
    for platform, account in sorted({key[:2] for key in rows}):
        first = min(day for p, a, day in rows if (p, a) == (platform, account))
        for n in range(7):
            day = MONDAY + timedelta(days=n)
            mondays = [day - timedelta(days=7 * week) for week in range(1, 9)]
            before = [rows.get((platform, account, d), 0) for d in mondays if d >= first]
            there = rows.get((platform, account, day), 0)
            if len(before) >= 3 and (there < median(before) / 2 or there > max(2 * median(before), 1)):
                expected.append(Oddity(platform, account, day, there, median(before)))
    assert odd_days(rows, WEEK) == expected


@given(histories, st.integers(2, 9))
def test_accounts_do_not_influence_each_other(rows: Counts, factor: int) -> None:
    only = {key: count for key, count in rows.items() if key[:2] == ("google_ads", "1")}
    others = {key: count * factor for key, count in rows.items() if key not in only}
    of_one = [odd for odd in odd_days(rows, WEEK) if (odd.platform, odd.account_id) == ("google_ads", "1")]
    assert odd_days(only, WEEK) == of_one
    assert [
        odd for odd in odd_days(only | others, WEEK) if (odd.platform, odd.account_id) == ("google_ads", "1")
    ] == of_one


@given(st.integers(1, 1_000), st.integers(1, 30))
def test_an_account_with_constant_counts_is_never_odd(per_day: int, days: int) -> None:
    window = DateWindow(MONDAY, MONDAY + timedelta(days=days))
    assert odd_days(counts(per_day) | counts(per_day, window), window) == []


@given(histories)
def test_counts_older_than_eight_weeks_have_no_effect(rows: Counts) -> None:
    """This holds once an account's first day is older than that."""
    full = rows | {(p, a, HISTORY.start): rows.get((p, a, HISTORY.start), 1) for p, a, _ in rows}
    older = {(p, a, HISTORY.start - timedelta(weeks=3)): 99 for p, a, _ in rows}
    assert list(odd_days(full, DAY)) == list(odd_days(full | older, DAY))
