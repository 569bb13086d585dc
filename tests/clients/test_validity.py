"""Facts about accounts with `from:` days: which of them are valid on a day, and which files are refused."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdp_dagster.clients.facts import AccountFacts, listed_accounts
from mdp_dagster.clients.file import ClientsFileError, load_clients
from mdp_dagster.clients.model import Clients
from mdp_dagster.defs.ads.platforms import AD_PLATFORMS

SOURCES = {platform.name: platform.account_id for platform in AD_PLATFORMS}
TODAY = date(2026, 11, 28)

FILE = """\
clients:
  - id: one
    name: One
    reporting_currency: EUR
    accounts:
      google_ads: ["123"]
      meta_ads:
        - {id: act_7, conversion_action_type: [purchase, {value: lead, from: 2026-07-01}]}
  - id: two
    name: Two
    reporting_currency: [EUR, {value: GBP, from: 2026-09-01}]
    lookback_days: {google_ads: [30, {value: 60, from: 2026-08-15}]}
    accounts:
      google_ads:
        - {id: "123", from: 2026-07-01}
exchange_rates:
  EUR: {USD: [0.9, {value: 0.95, from: 2026-01-01}]}
  GBP: {USD: 0.8}
"""


def load(folder: Path, text: str) -> Clients:
    file = folder / "clients.yaml"
    file.write_text(text, encoding="utf-8")
    return load_clients(file, SOURCES, TODAY)


def facts(clients: Clients, source: str, account: str, currency: str = "USD") -> list[AccountFacts]:
    return listed_accounts(clients)[source].facts(account, currency)


def test_each_day_has_the_facts_that_are_valid_for_it(tmp_path: Path) -> None:
    found = facts(load(tmp_path, FILE), "google_ads", "123")
    assert [
        (str(f.valid_from or ""), f.client_id, f.reporting_currency, f.exchange_rate, f.lookback_days) for f in found
    ] == [
        ("", "one", "EUR", 0.9, None),
        ("2026-01-01", "one", "EUR", 0.95, None),
        ("2026-07-01", "two", "EUR", 0.95, 30),
        ("2026-08-15", "two", "EUR", 0.95, 60),
        ("2026-09-01", "two", "GBP", 0.8, 60),
    ]
    of_meta = facts(load(tmp_path, FILE), "meta_ads", "7", "EUR")
    assert [(f.valid_from, f.conversion_action_type) for f in of_meta] == [
        (None, "purchase"),
        (date(2026, 7, 1), "lead"),
    ]


def test_an_account_may_leave_and_return(tmp_path: Path) -> None:
    text = FILE.replace('google_ads: ["123"]', 'google_ads: ["123", {id: "123", from: 2026-10-01}]')
    found = facts(load(tmp_path, text), "google_ads", "123")
    assert [f.client_id for f in found] == ["one", "one", "two", "two", "two", "one"]


def test_days_with_the_same_facts_have_the_same_digest(tmp_path: Path) -> None:
    """So a day is built again only if its own facts change, and not if another day gets a version."""
    before = facts(load(tmp_path, FILE), "google_ads", "123")
    later = facts(load(tmp_path, FILE.replace("{value: GBP, from: 2026-09-01}", "{value: GBP, from: 2026-10-01}")),
                  "google_ads", "123")  # fmt: skip
    assert [f.digest for f in before] == [f.digest for f in later]
    assert len({f.digest for f in before}) == len(before)
    without = FILE.replace(", {value: 0.95, from: 2026-01-01}", "")
    assert facts(load(tmp_path, without), "google_ads", "123")[0].digest == before[0].digest


def test_a_value_without_days_is_valid_for_all_days(tmp_path: Path) -> None:
    text = "clients: [{id: a, name: A, currency: EUR, lookback_days: {google_ads: 30}, accounts: {google_ads: ['1']}}]"
    [only] = facts(load(tmp_path, text), "google_ads", "1", "EUR")
    assert (only.valid_from, only.exchange_rate, only.lookback_days) == (None, 1.0, 30)


FAULTS = {
    "a day in the future": (
        FILE.replace('{id: "123", from: 2026-07-01}', '{id: "123", from: 2026-11-29}'),
        15, "2026-11-29 is in the future (today is 2026-11-28) → add it when that day has come",
    ),
    "a rate of the future": (
        FILE.replace("from: 2026-01-01", "from: 2027-01-01"), 17, "2027-01-01 is in the future",
    ),
    "a word": (FILE.replace("from: 2026-09-01", "from: soon"), 11, "'soon' is not a valid day → write YYYY-MM-DD"),
    "a day that does not exist": (FILE.replace("2026-09-01", "2026-09-31"), 11, "'2026-09-31' is not a valid day"),
    "a day in another form": (FILE.replace("2026-09-01", "20260901"), 11, "'20260901' is not a valid day"),
    "a day with a time": (FILE.replace("2026-09-01", '"2026-09-01 10:00"'), 11, "is not a valid day"),
    "no day": (FILE.replace("from: 2026-09-01", "from: "), 11, "is not a valid day"),
    "an account of two clients from the same day": (
        FILE.replace('google_ads: ["123"]', 'google_ads: ["123", {id: "1-2-3", from: 2026-07-01}]'),
        15, "account 123 of google_ads is already listed for client 'one' from 2026-07-01 → keep one",
    ),
    "an account of two clients from the beginning": (
        FILE.replace('{id: "123", from: 2026-07-01}', '"123"'),
        15, "already listed for client 'one' → keep one, or add `from: YYYY-MM-DD` to the later one",
    ),
    "an account of two clients from the first day of the calendar": (
        FILE.replace("from: 2026-07-01}\nexchange", "from: 0001-01-01}\nexchange"),
        15, "already listed for client 'one' → keep one, or add `from: YYYY-MM-DD` to the later one",
    ),
    "two rates from the first day of the calendar": (
        FILE.replace("{value: 0.95, from: 2026-01-01}", "{value: 0.95, from: 0001-01-01}"), 17,
        "two values are valid from the beginning → add `from: YYYY-MM-DD` to the later one",
    ),
    "an account without an earlier client": (
        FILE.replace('google_ads: ["123"]', "google_ads: []"),
        15, "account 123 of google_ads has no client before 2026-07-01 → list it without `from:` for its earlier",
    ),
    "two rates from the same day": (
        FILE.replace("[0.9, {value: 0.95, from: 2026-01-01}]",
                     "[0.9, {value: 0.95, from: 2026-01-01}, {value: 1, from: 2026-01-01}]"),
        17, "two values are valid from 2026-01-01 → keep one",
    ),
    "two currencies from the beginning": (
        FILE.replace("{value: GBP, from: 2026-09-01}", "GBP"), 11,
        "two values are valid from the beginning → add `from: YYYY-MM-DD` to the later one",
    ),
    "a rate without an earlier one": (
        FILE.replace("[0.9, ", "["), 17,
        "there is not a value for the days before 2026-01-01 → add the earlier value without `from:`",
    ),
    "a currency without an earlier one": (
        FILE.replace("[EUR, {value: GBP", "[{value: GBP"), 11, "there is not a value for the days before 2026-09-01",
    ),
    "an empty list": (FILE.replace("[EUR, {value: GBP, from: 2026-09-01}]", "[]"), 11, "there is not a value"),
    "a version without a value": (FILE.replace("value: GBP, ", ""), 11, "value is missing → add it"),
    "another key": (FILE.replace("from: 2026-09-01", "until: 2026-09-01"), 11, "until is not known here"),
    "an invalid value of a version": (FILE.replace("value: GBP", "value: pounds"), 11, "'pounds' is not a valid ISO"),
    "a rate of zero in a list": (FILE.replace("value: 0.95", "value: 0"), 17, "greater than 0"),
    "an invalid plain value": (FILE.replace("reporting_currency: EUR", "reporting_currency: Euro"), 4,
                               "clients.0.reporting_currency: 'Euro' is not a valid ISO 4217"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_its_place_and_the_remedy(tmp_path: Path, fault: str) -> None:
    text, line, words = FAULTS[fault]
    assert text != FILE
    with pytest.raises(ClientsFileError) as caught:
        load(tmp_path, text)
    place = re.escape(str(tmp_path / "clients.yaml"))
    matched = re.fullmatch(rf"{place}:(\d+): (.+ → .+)", str(caught.value))
    assert matched, str(caught.value)
    assert int(matched[1]) == line and words in matched[2], str(caught.value)


def test_today_is_not_in_the_future(tmp_path: Path) -> None:
    load(tmp_path, FILE.replace("2026-09-01", str(TODAY)))


days = st.dates(date(2026, 1, 1), TODAY)
histories = st.dictionaries(days, st.sampled_from([0.5, 0.9, 1.1]), max_size=4)


@settings(max_examples=100, deadline=None)
@given(histories, histories, st.dictionaries(days, st.sampled_from(["one", "two"]), max_size=4), days)
def test_the_facts_of_a_day_are_the_newest_ones_up_to_it(
    rates: dict[date, float], lookbacks: dict[date, float], owners: dict[date, str], day: date
) -> None:
    """The range that contains a day has the day's value of each fact."""

    def newest(history: dict[date, object], first: object) -> object:
        valid = [start for start in history if start <= day]
        return history[max(valid)] if valid else first

    clients = Clients.model_validate(
        {
            "clients": [
                {
                    "id": client,
                    "name": client,
                    "currency": "EUR",
                    "lookback_days": {
                        "google_ads": [3, *({"value": int(10 * n), "from": start} for start, n in lookbacks.items())]
                    },
                    "accounts": {
                        "google_ads": [
                            *(["1"] if client == "one" else []),
                            *({"id": "1", "from": start} for start, owner in owners.items() if owner == client),
                        ]
                    },
                }
                for client in ("one", "two")
            ],
            "exchange_rates": {
                "EUR": {"USD": [0.7, *({"value": rate, "from": start} for start, rate in rates.items())]}
            },
        }
    )
    found = facts(clients, "google_ads", "1")
    ends = [*(f.valid_from or date.min for f in found[1:]), TODAY + timedelta(days=1)]
    [valid] = [f for f, end in zip(found, ends, strict=True) if (f.valid_from or date.min) <= day < end]
    assert valid.exchange_rate == newest(dict(rates), 0.7)
    assert valid.client_id == newest(dict(owners), "one")
    assert valid.lookback_days == newest({start: int(10 * n) for start, n in lookbacks.items()}, 3)
