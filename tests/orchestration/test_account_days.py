"""The run config that lists which days to extract of which accounts."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.account_days import account_days, days_in, run_config

TABLE = "raw_google_ads__campaign_daily"
some_days = st.frozensets(st.dates(date(2026, 1, 1), date(2026, 3, 31)), min_size=1, max_size=12)


@given(st.dictionaries(st.text("0123456789", min_size=1, max_size=4), some_days, max_size=8))
def test_the_days_of_each_account_can_be_written_and_read_back(days: dict[str, frozenset[date]]) -> None:
    assert account_days(run_config(days, [TABLE]), [TABLE]) == days


def test_accounts_with_equal_days_share_an_entry_that_people_can_read() -> None:
    days = {"1": {date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 11)}, "2": {date(2026, 11, 11)}}
    days["3"] = days["1"]
    config = run_config(days, [TABLE])["ops"][TABLE]["config"]
    assert config == {"account_days": {"2026-11-11, 2026-11-18...2026-11-19": ["1", "3"], "2026-11-11": ["2"]}}


def test_a_run_covers_the_days_that_all_of_its_reports_extract() -> None:
    one, other = run_config({"1": {date(2026, 11, 1)}}, ["one"]), run_config({"1": {date(2026, 11, 2)}}, ["other"])
    both = {"ops": {**one["ops"], **other["ops"]}}
    assert account_days(both, ["one"]) == {"1": {date(2026, 11, 1)}}
    assert account_days(both, ["one", "other"]) == {"1": set()}
    assert account_days({}, [TABLE]) is None and account_days({"ops": {TABLE: {}}}, [TABLE]) is None


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-20...2026-11-18", "2026-11-18...2026-11-20...2026-11-21"])
def test_days_in_another_form_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"account_days: .* → write them like 2026-11-18\.\.\.2026-11-20, 2026-11-11"):
        days_in({"account_days": {text: ["1"]}})


def test_a_list_of_accounts_that_is_too_long_for_a_tag_becomes_their_number() -> None:
    assert run_tags.account_list(["2", "1"]) == "1,2"
    assert run_tags.account_list([str(10**15 + n) for n in range(300)]) == "300 accounts"
