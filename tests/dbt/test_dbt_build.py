"""dbt builds the right marts from a small history with restated, unchanged and emptied days."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .support import (
    ADS,
    MONTH,
    RECONCILES,
    Built,
    Dbt,
    Row,
    Warehouse,
    account,
    google,
    meta,
    node_results,
    outcomes,
    table,
    tables,
    went_wrong,
)


def extract_three_times(warehouse: Warehouse) -> None:
    """Three extracts of two accounts. The 1st is unchanged, the 2nd is restated, and the 3rd is emptied."""
    warehouse.insert(
        "raw__accounts",
        [account("google_ads", "11", "USD", 0.5), account("meta_ads", "22", "EUR", 1.0)],
    )
    first, second, third = (
        ("r1", "2026-01-04 06:00:00"),
        ("r2", "2026-01-05 06:00:00"),
        ("r3", "2026-01-06 06:00:00"),
    )

    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        warehouse.extract("google_ads", *first, "11", day, [google(1), google(2, micros=5_000_001)])
        total = google(None, micros=15_000_001, clicks=20, impressions=2000, conversions=5)
        warehouse.extract("google_ads", *first, "11", day, [total], report="account_daily")
        warehouse.extract("meta_ads", *first, "22", day, [meta("9")])
        warehouse.extract("meta_ads", *first, "22", day, [meta(None)], report="account_daily")

    warehouse.extract("google_ads", *second, "11", "2026-01-01", [{}, {}], unchanged_since="r1")
    for report, campaign in (("campaign_daily", 1), ("account_daily", None)):
        warehouse.extract("google_ads", *second, "11", "2026-01-02", [google(campaign, clicks=30)], report=report)
        warehouse.extract("google_ads", *second, "11", "2026-01-03", [], report=report)
    for report, name in (("campaign_daily", "9"), ("account_daily", None)):
        warehouse.extract("meta_ads", *second, "22", "2026-01-03", [meta(name, spend="8.25")], report=report)

    # aborted before its commit
    warehouse.extract("google_ads", *third, "11", "2026-01-02", [google(1, clicks=999)], commit=False)


@pytest.fixture(scope="module")
def first_build(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built.once(dbt, tmp_path_factory.mktemp("built"), extract_three_times)


@pytest.fixture
def built(first_build: Built, warehouse: Warehouse) -> Warehouse:
    """A warehouse with three extracts, built."""
    assert not went_wrong(first_build.result)
    return first_build.copy_to(warehouse)


def test_unit_tests_pass(dbt: Dbt, warehouse: Warehouse) -> None:
    """The raw tables are empty, as on the first day."""
    result = dbt("build", *ADS, window=MONTH)
    assert not went_wrong(result)
    unit_tests = [r for r in node_results(result) if r.node.resource_type == "unit_test"]
    assert len(unit_tests) == len(dbt.nodes("unit_test", "ads")) > 10
    assert not any(tables(warehouse).values())


def test_marts_have_the_current_rows(first_build: Built, built: Warehouse) -> None:
    assert not outcomes(first_build.result, "warn")

    def campaign(day: int, campaign_id: str, clicks: int, spend: str, spend_reporting: str, run: str) -> Row:
        is_google = campaign_id != "9"
        impressions = 1000 if is_google else 500
        conversions, value = (2.5, 40.0) if is_google else (2.0, 25.5)
        by_date, value_by_date = (1.5, 24.0) if is_google else (conversions, value)
        link_clicks = clicks if is_google else 4
        return {
            "date": f"2026-01-0{day}",
            "platform": "google_ads" if is_google else "meta_ads",
            "campaign_id": campaign_id,
            "client_id": "acme",
            "client_name": "Acme",
            "currency": "USD" if is_google else "EUR",
            "reporting_currency": "EUR",
            "impressions": impressions,
            "clicks": clicks,
            "clicks_all": clicks,
            "link_clicks": link_clicks,
            "spend": Decimal(spend),
            "conversions": Decimal(str(conversions)),
            "conversion_value": Decimal(str(value)),
            "conversions_by_conversion_date": Decimal(str(by_date)),
            "conversion_value_by_conversion_date": Decimal(str(value_by_date)),
            "conversion_dating": "click" if is_google else "conversion",
            "spend_reporting": Decimal(spend_reporting),
            "conversion_value_reporting": Decimal("20") if is_google else Decimal("25.5"),
            "conversion_value_by_conversion_date_reporting": Decimal("12") if is_google else Decimal("25.5"),
            "ctr": link_clicks / impressions,
            "cpa": float(spend) / conversions,
            "conversion_rate": conversions / link_clicks,
            "roas": value / float(spend),
            "cpc": float(spend) / link_clicks,
            "cpm": float(1000 * Decimal(spend)) / impressions,
            "has_invalid_values": False,
            "extract_run_id": run,
        }

    expected = [
        campaign(1, "1", 10, "10", "5", "r1"),
        campaign(1, "2", 10, "5.000001", "2.5000005", "r1"),
        campaign(1, "9", 5, "7.5", "7.5", "r1"),
        campaign(2, "1", 30, "10", "5", "r2"),
        campaign(2, "9", 5, "7.5", "7.5", "r1"),
        campaign(3, "9", 5, "8.25", "8.25", "r2"),
    ]
    columns = ", ".join(f"{name}::varchar as date" if name == "date" else name for name in expected[0])
    assert built.query(f"select {columns} from mdp_marts.mart_campaign__daily order by date, campaign_id") == expected

    def client(day: int, platform: str, campaigns: int, clicks: int, spend: str) -> Row:
        impressions = campaigns * (1000 if platform == "google_ads" else 500)
        link_clicks, by_date, value_by_date, dating = {
            "google_ads": (clicks, Decimal("1.5"), Decimal("12"), "click"),
            "meta_ads": (4, Decimal("2"), Decimal("25.5"), "conversion"),
        }[platform]
        return {
            "date": f"2026-01-0{day}",
            "platform": platform,
            "client_id": "acme",
            "reporting_currency": "EUR",
            "accounts": 1,
            "accounts_without_rate": 0,
            "campaigns": campaigns,
            "impressions": impressions,
            "clicks": clicks,
            "clicks_all": clicks,
            "link_clicks": link_clicks,
            "spend": Decimal(spend),
            "conversions_by_conversion_date": campaigns * by_date,
            "conversion_value_by_conversion_date": campaigns * value_by_date,
            "conversion_dating": dating,
            "ctr": link_clicks / impressions,
            "cpc": float(spend) / link_clicks,
        }

    expected = [
        client(1, "google_ads", 2, 20, "7.5000005"),
        client(1, "meta_ads", 1, 5, "7.5"),
        client(2, "google_ads", 1, 30, "5"),
        client(2, "meta_ads", 1, 5, "7.5"),
        client(3, "meta_ads", 1, 5, "8.25"),
    ]
    columns = ", ".join(f"{name}::varchar as date" if name == "date" else name for name in expected[0])
    assert built.query(f"select {columns} from mdp_marts.mart_client__daily order by date, platform") == expected


def test_a_second_build_changes_nothing(dbt: Dbt, built: Warehouse) -> None:
    once = tables(built)
    assert not went_wrong(dbt.build(MONTH))
    assert tables(built) == once


def test_a_build_rewrites_the_days_of_its_window_only(dbt: Dbt, built: Warehouse) -> None:
    """Every day changes in raw, and the 2nd is rebuilt with --full-refresh, which must not drop the other days."""
    before = tables(built)

    later = ("r9", "2026-01-09 06:00:00")
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        for report, campaign in (("campaign_daily", 1), ("account_daily", None)):
            built.extract("google_ads", *later, "11", day, [google(campaign, clicks=77)], report=report)
            built.extract("meta_ads", *later, "22", day, [], report=report)
    assert not went_wrong(
        dbt(
            "build",
            *ADS,
            "--full-refresh",
            "--exclude-resource-type",
            "unit_test",
            window=("2026-01-02", "2026-01-03"),
        )
    )

    outside = "date <> '2026-01-02'"
    assert tables(built, outside) == {
        m: [r for r in rows if str(r["date"]) != "2026-01-02"] for m, rows in before.items()
    }
    inside = tables(built, "date = '2026-01-02'")
    assert [row["clicks"] for row in inside["mdp_marts.mart_campaign__daily"]] == [77]
    assert [(row["platform"], row["clicks"]) for row in inside["mdp_marts.mart_client__daily"]] == [("google_ads", 77)]
    assert [row["clicks"] for row in inside["mdp_staging.stg_google_ads__account_daily"]] == [77]
    assert inside["mdp_staging.stg_meta_ads__account_daily"] == []


def test_a_failed_write_keeps_the_old_rows_of_the_window(dbt: Dbt, built: Warehouse) -> None:
    """The insert fails after the delete, and both are rolled back."""
    mart = "mdp_marts.mart_client__daily"
    before = table(built, mart)
    built.query(f"alter table {mart} add column mandatory boolean default true")
    built.query(f"alter table {mart} alter column mandatory drop default")
    built.query(f"alter table {mart} alter column mandatory set not null")

    result = dbt("run", "--select", "mart_client__daily", window=MONTH)
    assert "NOT NULL constraint failed" in went_wrong(result)["mart_client__daily"]
    built.query(f"alter table {mart} alter column mandatory drop not null")
    built.query(f"alter table {mart} drop column mandatory")
    assert table(built, mart) == before


def test_data_tests_read_the_window_only(dbt: Dbt, built: Warehouse) -> None:
    staged, mart = "mdp_staging.stg_google_ads__campaign_daily", "mdp_marts.mart_campaign__daily"
    built.query(f"insert into {staged} select * from {staged} where date = '2026-01-01' and campaign_id = '1'")
    built.query(f"delete from {mart} where date = '2026-01-01' and platform = 'meta_ads'")
    built.query(f"update {mart} set client_id = null where date = '2026-01-01' and campaign_id = '2'")
    built.query(f"update {staged} set is_invalid_spend = true, date = '2026-01-04' where date = '2026-01-02'")
    reconciliation = "mdp_staging.int_account__reconciliation"
    built.query(f"update {reconciliation} set verdict = 'unexplained' where date = '2026-01-01'")

    assert not went_wrong(
        dbt("test", *ADS, "--exclude-resource-type", "unit_test", window=("2026-01-03", "2026-01-04"))
    )

    result = dbt("test", *ADS, "--exclude-resource-type", "unit_test", window=MONTH)
    assert set(went_wrong(result)) == {
        "grain_unique_stg_google_ads__campaign_daily",
        "rows_match_ledger_stg_google_ads__campaign_daily",
        "rows_match_staging_int_campaign__daily_unified",
        "rows_match_staging_mart_campaign__daily",
        "no_nulls_mart_campaign__daily",
        "sums_match_campaigns_mart_client__daily",
    }
    assert set(outcomes(result, "warn")) == {"no_invalid_values_stg_google_ads__campaign_daily", RECONCILES}


def differences(dbt: Dbt, warehouse: Warehouse) -> list[tuple[str, str, Any, Any]]:
    """The findings of `reconciles` in the month, by day and metric: the sum of the campaigns, the account's total."""
    assert not went_wrong(dbt("run", "--select", "+int_account__reconciliation", window=MONTH))
    (result,) = node_results(dbt("test", "--select", RECONCILES, window=MONTH))
    rows = warehouse.query(f"select * from ({result.node.compiled_code}) order by date, metric")
    assert (result.status, result.failures) == ("warn" if rows else "pass", len(rows))
    assert all(row["verdict"] == "unexplained" for row in rows)
    return [(str(row["date"])[-2:], row["metric"], row["campaign_sum"], row["account_total"]) for row in rows]


def test_campaigns_that_do_not_add_up_to_the_account_warn(dbt: Dbt, warehouse: Warehouse) -> None:
    """A campaign or the whole report is missing, or the totals are zero."""
    run_and_time = ("r1", "2026-01-09 06:00:00")
    google_total = google(None, micros=20_000_000, clicks=20, impressions=2000, conversions=5)
    campaigns_and_totals = {
        "2026-01-01": ([google(1), google(2)], [google_total]),
        "2026-01-02": ([google(1)], [google_total]),
        "2026-01-03": ([], [google(None)]),
        "2026-01-04": ([], [google(None, micros=0, clicks=0, impressions=3, conversions=0)]),
        "2026-01-05": ([], [google(None, micros=0, clicks=0, impressions=0, conversions=0)]),
        "2026-01-06": ([google(1)], []),
    }
    for day, (campaigns, totals) in campaigns_and_totals.items():
        warehouse.extract("google_ads", *run_and_time, "11", day, campaigns)
        warehouse.extract("google_ads", *run_and_time, "11", day, totals, report="account_daily")
    # rows of another account don't count
    warehouse.extract("google_ads", *run_and_time, "12", "2026-01-03", [google(9)])
    # exists, but outside the tested window
    warehouse.extract("google_ads", *run_and_time, "11", "2026-02-01", [], report="campaign_daily")
    warehouse.extract("google_ads", *run_and_time, "11", "2026-02-01", [google(None)], report="account_daily")
    assert not went_wrong(dbt("run", "--select", "+int_account__reconciliation", window=("2026-02-01", "2026-03-01")))

    assert differences(dbt, warehouse) == [
        ("02", "clicks", 10, 20),
        ("02", "conversion_value", 40, 80),
        ("02", "conversion_value_by_conversion_date", 24, 48),
        ("02", "conversions", Decimal("2.5"), 5),
        ("02", "conversions_by_conversion_date", Decimal("1.5"), 3),
        ("02", "impressions", 1000, 2000),
        ("02", "spend", 10, 20),
        ("03", "clicks", 0, 10),
        ("03", "conversion_value", 0, 40),
        ("03", "conversion_value_by_conversion_date", 0, 24),
        ("03", "conversions", 0, Decimal("2.5")),
        ("03", "conversions_by_conversion_date", 0, Decimal("1.5")),
        ("03", "impressions", 0, 1000),
        ("03", "spend", 0, 10),
        ("04", "impressions", 0, 3),
        ("06", "clicks", 10, 0),
        ("06", "conversion_value", 40, 0),
        ("06", "conversion_value_by_conversion_date", 24, 0),
        ("06", "conversions", Decimal("2.5"), 0),
        ("06", "conversions_by_conversion_date", Decimal("1.5"), 0),
        ("06", "impressions", 1000, 0),
        ("06", "spend", 10, 0),
    ]


@pytest.mark.parametrize(("minutes", "warn"), [(0, ("01", "02", "03", "04")), (60, ("02", "03", "04"))])
def test_extracts_of_one_moment_tie_and_others_may_differ_by_a_small_amount(
    dbt: Dbt, warehouse: Warehouse, minutes: int, warn: tuple[str, ...]
) -> None:
    """An hour apart, a day that still moves may differ by a little, in both directions. Not so at the same moment."""
    small = {"impressions": 100, "clicks": 10, "micros": 10_000_000, "conversions": 3}
    large = {"impressions": 100_000, "clicks": 1000, "micros": 1_000_000_000, "conversions": 300}
    campaigns_and_totals: dict[str, tuple[Row, Row]] = {
        "2026-01-01": ({"impressions": 110, "clicks": 12, "micros": 11_000_000, "conversions": 4}, small),
        "2026-01-02": ({"impressions": 89, "clicks": 7, "micros": 8_900_000, "conversions": 0.2}, small),
        "2026-01-03": ({"impressions": 99_000, "clicks": 990, "micros": 990_000_000, "conversions": 280}, large),
        "2026-01-04": ({"impressions": 101_001, "clicks": 1011, "micros": 1_010_000_001, "conversions": 320}, large),
    }
    later = f"2026-01-09 {6 + minutes // 60:02}:00:00"
    for day, (campaign, total) in campaigns_and_totals.items():
        warehouse.extract("google_ads", "r1", "2026-01-09 06:00:00", "11", day, [google(1, **campaign)])
        warehouse.extract("google_ads", "r2", later, "11", day, [google(None, **total)], report="account_daily")

    found = differences(dbt, warehouse)
    assert [row[:2] for row in found if not row[1].endswith("_by_conversion_date")] == [
        (day, metric)
        for day in warn
        for metric in ("clicks", "conversion_value", "conversions", "impressions", "spend")
    ]
    assert ("02", "spend", Decimal("8.9"), 10) in found


def test_meta_reach_need_not_add_up_and_conversions_of_one_type_must(dbt: Dbt, warehouse: Warehouse) -> None:
    run_and_time = ("r1", "2026-01-09 06:00:00")
    other = {"reach": "1", "actions": '[{"action_type":"purchase","value":"70"}]', "action_values": "[]"}
    for day, spend in (("2026-01-01", "7.50"), ("2026-01-02", "9.50")):
        warehouse.extract("meta_ads", *run_and_time, "22", day, [meta("9")])
        total = meta(None, spend=spend) | other
        warehouse.extract("meta_ads", *run_and_time, "22", day, [total], report="account_daily")

    assert differences(dbt, warehouse) == [
        ("01", "conversions", 2, 70),
        ("02", "conversions", 2, 70),
        ("02", "spend", Decimal("7.5"), Decimal("9.5")),
    ]


def test_a_model_built_alone_is_not_compared_with_others(dbt: Dbt, warehouse: Warehouse) -> None:
    """In a new warehouse the other models don't exist, and later they may be stale."""
    extract_three_times(warehouse)
    for model in ("stg_google_ads__account_daily", "stg_google_ads__campaign_daily"):
        result = dbt("build", "--exclude-resource-type", "unit_test", "--select", model, window=MONTH)
        ran = {r.node.name for r in node_results(result)}
        assert ran == {model, *(f"{t}_{model}" for t in ("grain_unique", "rows_match_ledger", "no_invalid_values"))}
        assert not went_wrong(result)


def test_unknown_rates_warn_and_the_total_is_null(dbt: Dbt, warehouse: Warehouse) -> None:
    """One account has no rate, and one has no client. Rows are counted, and money is not added up."""
    warehouse.insert(
        "raw__accounts",
        [account("google_ads", "11", "USD", 0.5), account("google_ads", "12", "SEK", None)],
    )
    run_and_time = ("r1", "2026-01-04 06:00:00")
    for account_id, campaign, currency in (("11", 1, "USD"), ("12", 2, "SEK"), ("13", 3, "EUR")):
        warehouse.extract("google_ads", *run_and_time, account_id, "2026-01-01", [google(campaign, currency=currency)])

    result = dbt.build(MONTH)
    assert not went_wrong(result)
    assert outcomes(result, "warn") == {
        "exchange_rate_known_mart_campaign__daily": "Got 2 results, configured to warn if != 0"
    }
    columns = "client_id, accounts, accounts_without_rate, clicks, spend, conversion_value, roas"
    assert warehouse.query(f"select {columns} from mdp_marts.mart_client__daily order by client_id") == [
        dict(zip(columns.split(", "), row, strict=True))
        for row in [("acme", 2, 1, 20, None, None, None), ("unassigned", 1, 1, 10, None, None, None)]
    ]


@pytest.mark.parametrize(
    ("window", "complaint"),
    [
        (None, "The variable window_start must be a day like 2026-01-31, not 'None'"),
        (
            ("2026-01-01", "yesterday"),
            "The variable window_end must be a day like 2026-01-31, not 'yesterday'",
        ),
        (("2026-01-02", "2026-01-02"), "window_start 2026-01-02 must be before window_end 2026-01-02"),
    ],
)
def test_the_error_for_a_run_without_a_valid_window_has_the_remedy(
    dbt: Dbt, warehouse: Warehouse, window: Any, complaint: str
) -> None:
    result = dbt("run", "--select", "stg_google_ads__account_daily", window=window)
    message = went_wrong(result)["stg_google_ads__account_daily"]
    assert complaint in message
    if "must be a day" in complaint:
        assert "dbt build --vars '{window_start: 2026-01-01, window_end: 2026-02-01}'" in message
