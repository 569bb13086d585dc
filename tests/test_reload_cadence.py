"""`MDP_RELOAD_CADENCE`: an interval for every age of a day, or an error with the place and the remedy."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.reload_cadence import DEFAULT, parse_cadence
from mdp_dagster.settings import SettingsError, load_settings
from tests.support.settings_variables import forget_settings


def test_the_last_days_are_reloaded_every_eight_hours_and_old_days_once_a_morning() -> None:
    cadence = parse_cadence(DEFAULT)
    assert [cadence.step(age).hours for age in (0, 1, 2, 3, 4, 5, 89)] == [8, 8, 8, 8, 24, 24, 24]
    assert cadence.step(-1).hours == 8  # the account's day began before the day in UTC
    assert [cadence.step(age).interval for age in (0, 4)] == ["every 8 hours", "once a day"]
    assert [cadence.step(age).ages for age in (0, 4)] == ["0-3", "4 and more"]


@pytest.mark.parametrize("text", ["0+=1h", "0-6=2h 7+=168h", " 0=1h  1=2h\t2+=12h ", "0=24h 1+=48h"])
def test_other_cadences(text: str) -> None:
    assert parse_cadence(text).steps[-1].last_age is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3h", "part 1, '3h': not an age and an interval in hours → use a form such as 0-3=8h 4+=24h"),
        ("0=3", "part 1, '0=3': not an age and an interval"),
        ("0=3h,1+=6h", "part 1, '0=3h,1+=6h': not an age"),
        ("-1=3h", "part 1, '-1=3h': not an age"),
        ("0=3h 1+=6d", "part 2, '1+=6d': not an age"),
        ("0=٣h", "part 1, '0=٣h': not an age"),
        ("0+=0h", "part 1, '0+=0h': the interval must be positive → use 1h to reload with every probe"),
        ("0+=-3h", "part 1, '0+=-3h': the interval must be positive"),
        ("0=3h 1+=5h", "part 2, '1+=5h': a day does not have a whole number of such intervals → use 1, 2, 3,"),
        ("0=3h 1+=36h", "part 2, '1+=36h': a day does not have a whole number"),
        ("1+=3h", "part 1, '1+=3h': age 0 is missing before it → begin this part with age 0"),
        ("0=3h 3+=6h", "part 2, '3+=6h': age 1 is missing before it → begin this part with age 1"),
        ("0-3=3h 3+=6h", "part 2, '3+=6h': age 4 is the next one → begin this part with age 4"),
        ("0=3h 0+=6h", "part 2, '0+=6h': age 1 is the next one → begin this part with age 1"),
        ("0-3=3h 2-1=6h", "part 2, '2-1=6h': the ages end before they begin → write the lower age first"),
        ("0+=3h 1+=6h", "part 2, '1+=6h': part 1 is about all older days → end with the part that has a +"),
        ("0=3h 1-3=6h", "part 2, '1-3=6h': older days do not have an interval → add a last part, such as 4+=24h"),
    ],
)
def test_an_invalid_cadence_is_one_error_with_the_setting_the_place_and_the_remedy(
    text: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_settings(monkeypatch)
    monkeypatch.setenv("MDP_ENV_FILE", os.devnull)
    monkeypatch.setenv("MDP_RELOAD_CADENCE", text)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert f"MDP_RELOAD_CADENCE={text!r}: " in str(error.value) and problem in str(error.value)
    assert "\n" not in str(error.value)


parts = st.from_regex(r"[0-9]{1,2}(-[0-9]{1,2}|\+)?=-?[0-9]{1,3}h", fullmatch=True)


@given(st.lists(parts | st.text(max_size=6), max_size=4).map(" ".join))
@example("")
@example("   ")
def test_any_text_gives_each_age_one_interval_or_is_refused(text: str) -> None:
    try:
        cadence = parse_cadence(text)
    except ValueError as error:
        assert "→" in str(error)
        return
    for age in range(200):
        [step] = [s for s in cadence.steps if s.first_age <= age and (s.last_age is None or age <= s.last_age)]
        assert cadence.step(age) == step and step.hours >= 1
