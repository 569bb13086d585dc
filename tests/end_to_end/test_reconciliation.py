"""The reconciliation as people see it: a warning with the rows, or a stop before the marts, with the rows."""

from __future__ import annotations

from typing import Any

import duckdb

from mdp_dagster.window import DateWindow
from tests.end_to_end.conftest import Platform

GOOGLE = "4123087751"


def tamper(platform: Platform, sql: str) -> None:
    with duckdb.connect(str(platform.warehouse.path)) as connection:
        connection.execute(sql)


def found(check: Any) -> list[dict[str, Any]]:
    return [record.data for record in check.metadata["failing_rows"].value.records]


def test_differences_are_shown_and_only_ours_stop_the_marts(platform: Platform) -> None:
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
