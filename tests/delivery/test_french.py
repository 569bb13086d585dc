"""Numbers, amounts and days as French readers write them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from mdp_dagster.delivery import french


@pytest.mark.parametrize(
    ("value", "currency", "expected"),
    [
        ("1234567.895", "EUR", "1\u202f234\u202f567,90\u00a0€"),
        ("-0.5", "USD", "\u22120,50\u00a0USD"),
        ("0", "JPY", "0\u00a0JPY"),
        ("1500.4", "JPY", "1\u202f500\u00a0JPY"),
        ("1.2345", "KWD", "1,235\u00a0KWD"),
        ("-0.001", "EUR", "0,00\u00a0€"),
    ],
)
def test_an_amount_has_its_currency_and_the_usual_decimals(value: str, currency: str, expected: str) -> None:
    assert french.money(Decimal(value), currency) == expected


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ("104", "100", "+4,0\u00a0%"),
        ("96", "100", "\u22124,0\u00a0%"),
        ("100", "100", "0,0\u00a0%"),
        ("100.01", "100", "0,0\u00a0%"),
        ("2500", "100", "+2\u202f400,0\u00a0%"),
        ("5", "0", "–"),
        ("5", "-3", "–"),
        ("5", None, "–"),
    ],
)
def test_a_change_has_a_sign_and_no_meaning_without_an_earlier_amount(
    now: str, before: str | None, expected: str
) -> None:
    change = french.change(Decimal(now), None if before is None else Decimal(before))
    assert french.signed_percent(change) == expected


def test_a_share_of_zero_and_a_missing_one_differ() -> None:
    assert (french.percent(Decimal(0)), french.percent(None)) == ("0,0\u00a0%", "–")


def test_days_and_times_are_french() -> None:
    assert french.long_day(date(2026, 8, 1)) == "samedi 1er août 2026"
    assert french.long_day(date(2026, 11, 27)) == "vendredi 27 novembre 2026"
    assert french.short_day(date(2026, 11, 27)) == "ven. 27/11"
    assert french.instant(datetime(2026, 11, 28, 2, 5)) == "28/11/2026 à 02:05"
