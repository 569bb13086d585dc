"""A fact about an account changes: the whole history changes, or only the days from a day on, and never single days."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mdp_dagster.defs.ads.facts_check import FACTS
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG
from mdp_dagster.settings import PROJECT_ROOT
from tests.end_to_end.conftest import TEN_DAYS, TODAY, Platform, days_ago

GOOGLE = "4123087751"
_LISTED = '        - "412-308-7751"                      # Nordlicht DE, EUR, Europe/Berlin\n'


@pytest.fixture(autouse=True)
def _ten_days(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDP_START_DATE", str(TEN_DAYS.start))


@pytest.fixture
def clients_file(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the file that the sandbox's accounts are in."""
    path = environment / "clients.yaml"
    path.write_text((PROJECT_ROOT / "config" / "clients.yaml").read_text())
    monkeypatch.setenv("MDP_CLIENTS_FILE", str(path))
    return path


def change(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)


def facts(platform: Platform, account: str = GOOGLE) -> dict[date, set[tuple[Any, ...]]]:
    """The client, the reporting currency and the rate of each day of the account that has rows."""
    rows = platform.warehouse.query(
        "select date, client_id, reporting_currency, exchange_rate from mdp_marts.mart_campaign__daily "
        "where account_id = $account",
        {"account": account},
    ).to_pylist()
    found: dict[date, set[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row["date"], set()).add((row["client_id"], row["reporting_currency"], row["exchange_rate"]))
    return found


def check(platform: Platform, result: dg.ExecuteInProcessResult) -> Any:
    return platform.checks(result)["mart_campaign__daily", FACTS]


def test_a_client_that_changes_for_all_days_changes_all_of_them_together(loaded: Platform, clients_file: Path) -> None:
    """Client one, two and one again on neighbouring days must not stay, and a check names them until they are gone."""
    platform = loaded
    platform.probe()
    assert platform.tick("google_ads") == []
    days = sorted(facts(platform))
    assert set().union(*facts(platform).values()) == {("nordlicht", "EUR", 1.0)} and len(days) > 7

    change(
        clients_file,
        (_LISTED, ""),
        ('        - "700-100-2000"\n', f'        - "700-100-2000"\n{_LISTED}'),
        ("  CHF: {EUR: 0.94}", "  CHF: {EUR: 0.94}\n  USD: {EUR: 1.1}"),
    )
    # the platform restates one old day, and only that day is built
    single = days[3]
    platform.world.restate("google_ads", GOOGLE, single, factor=2)
    result = platform.run(days_ago((TODAY - single).days, (TODAY - single).days))
    assert {day for day, found in facts(platform).items() if found == {("harborline", "USD", 1.1)}} == {single}
    warned = check(platform, result)
    assert not warned.passed and warned.severity is dg.AssetCheckSeverity.WARN
    assert warned.metadata["accounts_that_differ"].value == f"google_ads {GOOGLE}"
    values = {row.data["fact"]: row.data for row in warned.metadata["values"].records}
    assert values.keys() == {"client", "client's name", "reporting currency", "exchange rate"}
    assert (values["client"]["built_with"], values["client"]["valid"]) == ("nordlicht", "harborline")
    assert (values["exchange rate"]["built_with"], values["exchange rate"]["valid"]) == ("1.0", "1.1")
    assert values["client"]["days"].startswith(f"{days[0]}...{days[-1]}, {len(days) - 1} ")

    platform.probe()
    [request] = platform.tick("google_ads")
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (str(days[0]), str(days[-1]))
    assert request.tags[run_tags.REASON].endswith("of 1 account") and "not built" in request.tags[run_tags.REASON]
    ledger = platform.count("mdp_raw.raw__extracts")
    reloaded = platform.reload("google_ads", request)
    assert platform.count("mdp_raw.raw__extracts") == ledger, "nothing is extracted"
    assert set(facts(platform)) == set(days)
    assert set().union(*facts(platform).values()) == {("harborline", "USD", 1.1)}
    assert check(platform, reloaded).passed
    platform.probe()
    assert platform.tick("google_ads") == [] and platform.tick("meta_ads") == []


def test_a_client_that_changes_from_a_day_on_changes_only_those_days(loaded: Platform, clients_file: Path) -> None:
    platform = loaded
    before = facts(platform)
    moved = sorted(before)[5]
    change(
        clients_file,
        ('        - "700-100-2000"\n', f'        - "700-100-2000"\n        - {{id: "{GOOGLE}", from: {moved}}}\n'),
        (
            "  CHF: {EUR: 0.94}",
            "  CHF: {EUR: 0.94}\n  USD: {EUR: [1.1, {value: 1.2, from: %s}]}" % (moved + timedelta(days=2)),
        ),
    )
    platform.probe()
    [request] = platform.tick("google_ads")
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (str(moved), str(max(before)))
    platform.reload("google_ads", request)
    expected = {
        day: {
            ("nordlicht", "EUR", 1.0)
            if day < moved
            else ("harborline", "USD", 1.1 if day < moved + timedelta(days=2) else 1.2)
        }
        for day in before
    }
    assert facts(platform) == expected
    # a day that the platform restates later keeps the facts of its day
    early = min(before)
    platform.world.restate("google_ads", GOOGLE, early, factor=2)
    platform.probe()
    for again in platform.tick("google_ads"):
        platform.reload("google_ads", again)
    assert facts(platform) == expected
    platform.probe()
    assert platform.tick("google_ads") == []
