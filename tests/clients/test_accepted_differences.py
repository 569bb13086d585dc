"""Differences that a person accepts in the clients file: what the file may say, and which files are refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

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
    accounts: {google_ads: ["123-456-7890", "700-100-2000"], meta_ads: [act_7]}
accepted_differences:
  - platform: google_ads
    account: "123-456-7890"
    day: 2026-07-01
    up_to: {spend: 80.5, conversions: 40}
    reason: Google removed a campaign
    accepted_by: Jana Meier
  - platform: meta_ads
    account: act_7
    from: 2026-07-01
    to: 2026-07-03
    up_to: {clicks: 3, link_clicks: 2, conversion_value: 9.5}
    reason: case 4-1234
  - {platform: google_ads, account: "518-220-4466", manager: "700-100-2000", day: 2026-11-28, up_to: {spend: 1},
     reason: x}
"""


def load(folder: Path, text: str) -> Clients:
    file = folder / "clients.yaml"
    file.write_text(text, encoding="utf-8")
    return load_clients(file, SOURCES, TODAY)


def test_entries_have_days_amounts_and_a_reason(tmp_path: Path) -> None:
    found = load(tmp_path, FILE).accepted_differences
    assert [(e.account, e.manager, str(e.first_day), str(e.last_day), e.reason, e.accepted_by) for e in found] == [
        ("1234567890", None, "2026-07-01", "2026-07-01", "Google removed a campaign", "Jana Meier"),
        ("7", None, "2026-07-01", "2026-07-03", "case 4-1234", ""),
        ("5182204466", "7001002000", "2026-11-28", "2026-11-28", "x", ""),
    ]
    assert [entry.up_to.model_dump(exclude_none=True) for entry in found] == [
        {"spend": 80.5, "conversions": 40.0},
        {"clicks": 3.0, "conversion_value": 9.5, "link_clicks": 2.0},
        {"spend": 1.0},
    ]


@pytest.mark.parametrize("empty", ["", "accepted_differences:\n", "accepted_differences: []\n"])
def test_a_file_may_accept_nothing(tmp_path: Path, empty: str) -> None:
    assert load(tmp_path, FILE.partition("accepted_differences")[0] + empty).accepted_differences == ()


_AMOUNTS = "up_to: {clicks: 3, link_clicks: 2, conversion_value: 9.5}"
_DAY = '"123-456-7890"\n    day: 2026-07-01\n'
FAULTS = {
    "a day in the future": (
        FILE.replace("day: 2026-11-28", "day: 2026-11-29"),
        19, "2026-11-29 is in the future (today is 2026-11-28) → add it when that day has come",
    ),
    "the end of a range in the future": (FILE.replace("2026-07-03", "2027-07-03"), 16, "2027-07-03 is in the future"),
    "a day that does not exist": (FILE.replace("to: 2026-07-03", "to: 2026-07-33"), 16, "is not a valid day → write"),
    "no reason": (FILE.replace("    reason: Google removed a campaign\n", ""), 7, "reason is missing → add it"),
    "an empty reason": (FILE.replace("Google removed a campaign", '" "'), 11, "it is empty → write why"),
    "a reason without words": (FILE.replace(" Google removed a campaign", ""), 11, "it is empty → write why"),
    "no days": (FILE.replace(_DAY, '"123-456-7890"\n'), 7, "its days are not clear → write `day: YYYY-MM-DD`, or both"),
    "a day and a range": (FILE.replace(_DAY, f"{_DAY}    to: 2026-07-02\n"), 7, "its days are not clear"),
    "half a range": (FILE.replace("    to: 2026-07-03\n", ""), 13, "its days are not clear"),
    "a range that ends before it begins": (
        FILE.replace("to: 2026-07-03", "to: 2026-06-30"), 13, "`from: 2026-07-01` is later than `to: 2026-06-30` → ",
    ),
    "an unknown account": (
        FILE.replace('account: "123-456-7890"', 'account: "123-456-7891"'),
        8, "account 1234567891 of google_ads is not listed for a client → correct its id, or add `manager:`",
    ),
    "an account that is not one": (FILE.replace("account: act_7", "account: seven"), 14, "is not a valid account id"),
    "an unknown manager": (
        FILE.replace('manager: "700-100-2000"', 'manager: "1"'),
        19, "manager 1 of google_ads is not listed for a client → correct its id, or list it",
    ),
    "an unknown platform": (
        FILE.replace("platform: meta_ads", "platform: tiktok"),
        13, "'tiktok' is not a known platform → use one of google_ads, meta_ads",
    ),
    "no amount": (FILE.replace(_AMOUNTS, "up_to: {}"), 17, "it has no amount → write the accepted differences, as in"),
    "no amounts": (FILE.replace(f"    {_AMOUNTS}\n", ""), 13, "up_to is missing → add it"),
    "an amount of zero": (FILE.replace("clicks: 3", "clicks: 0"), 17, "should be greater than 0"),
    "an endless amount": (FILE.replace("clicks: 3", "clicks: .inf"), 17, "→"),
    "an amount in percent": (FILE.replace("clicks: 3", "clicks: 3 %"), 17, "→ write a number, as in 0.02"),
    "a long reason": (
        FILE.replace("Google removed a campaign", "r" * 1_001), 11, "at most 1000 characters → shorten it",
    ),
    "a text instead of entries": (
        FILE.partition("accepted_differences")[0] + "accepted_differences: all\n",
        6, "accepted_differences: Input should be a valid list → write a list below it",
    ),
    "an unknown metric": (FILE.replace("clicks: 3", "reach: 3"), 17, "reach is not known here → remove it or correct"),
    "a day twice": (
        FILE.replace("platform: meta_ads\n    account: act_7", 'platform: google_ads\n    account: "1234567890"'),
        13, "account 1234567890 of google_ads: 2026-07-01...2026-07-03 overlaps 2026-07-01...2026-07-01 → give",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_its_place_and_the_remedy(tmp_path: Path, fault: str) -> None:
    text, line, words = FAULTS[fault]
    assert text != FILE
    with pytest.raises(ClientsFileError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'clients.yaml'}:{line}: ")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
