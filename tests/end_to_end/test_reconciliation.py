"""The reconciliation as people see it: a warning with the rows, or a stop before the marts, with the rows."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mdp_dagster.orchestration import run_tags
from mdp_dagster.settings import PROJECT_ROOT
from mdp_dagster.window import DateWindow
from tests.end_to_end.conftest import Platform, days_ago

GOOGLE = "4123087751"


def tamper(platform: Platform, sql: str) -> None:
    with duckdb.connect(str(platform.warehouse.path)) as connection:
        connection.execute(sql)


@pytest.fixture(autouse=True)
def _few_days(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDP_START_DATE", str(days_ago(6).start))


def found(check: Any, name: str = "failing_rows") -> list[dict[str, Any]]:
    return [record.data for record in check.metadata[name].value.records]


def accept(clients_file: Path, day: date, difference: float) -> None:
    clients_file.write_text(
        clients_file.read_text()
        + f"""
accepted_differences:
  - platform: google_ads
    account: "{GOOGLE}"
    day: {day}
    up_to: {{spend: {difference}}}
    reason: "known: case 4"
    accepted_by: Jana
"""
    )


def test_differences_are_shown_and_only_ours_stop_the_marts(
    platform: Platform, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients_file = environment / "clients.yaml"
    shutil.copyfile(PROJECT_ROOT / "config" / "clients.yaml", clients_file)
    monkeypatch.setenv("MDP_CLIENTS_FILE", str(clients_file))
    day = platform.a_day_with_rows(GOOGLE, 4)
    window = DateWindow.of_days(day, day)
    reconciles = ("int_account__reconciliation", "campaigns_add_up")
    assert platform.checks(platform.run(window))[reconciles].passed

    # the platform's total is not what its campaigns add up to
    of_account = f"account_id = '{GOOGLE}' and date = '{day}'"
    tripled = "set metrics_cost_micros = 3 * metrics_cost_micros"
    tamper(platform, f"update mdp_raw.raw_google_ads__account_daily {tripled} where {of_account}")
    check = platform.checks(platform.run(window))[reconciles]
    assert not check.passed and check.severity.value == "WARN"
    [row] = found(check)
    assert (row["verdict"], row["account_id"], row["metric"]) == ("unexplained", GOOGLE, "spend")
    assert abs(float(row["account_total"]) - 3 * float(row["campaign_sum"])) < 0.01
    platform.assert_mart_is_true(window)

    # a person accepts it by name, and it is built again without an extract
    accept(clients_file, day, abs(float(row["difference"])))
    platform.probe()
    [request] = platform.tick("google_ads")
    assert "not built" in request.tags[run_tags.REASON]
    extracts = f"mdp_raw.raw__extracts where {of_account}"
    known = platform.count(extracts)
    check = platform.checks(platform.reload("google_ads", request))[reconciles]
    assert platform.count(extracts) == known
    assert check.passed and "failing_rows" not in check.metadata
    [row] = found(check, "accepted_differences")
    assert (row["verdict"], row["accepted_reason"], row["accepted_by"]) == ("unexplained", "known: case 4", "Jana")
    platform.probe()
    assert platform.tick("google_ads") == []

    # a row is lost on our side: the run stops, and the mart stays as it was
    before = platform.mart(window)
    tamper(
        platform,
        "delete from mdp_raw.raw_google_ads__campaign_daily where rowid = "
        f"(select min(rowid) from mdp_raw.raw_google_ads__campaign_daily where {of_account})",
    )
    platform.world.restate("meta_ads", "301400000000101", day, factor=2)
    checks = platform.checks(platform.run(window, succeeds=False))
    check = checks["stg_google_ads__campaign_daily", "rows_match_ledger"]
    assert not check.passed and check.severity.value == "ERROR"
    [row] = found(check)
    assert row["account_id"] == GOOGLE and row["rows_expected"] == row["rows_found"] + 1
    assert platform.mart(window) == before
