"""Restatements, maturity, builds as of an instant, and lost rows, which stop the marts."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from .support import (
    ADS,
    MODELS,
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

THEN = "2026-01-06 06:00:00"
THEN_SCHEMA = "as_of_20260106t060000z"
MART = "mdp_marts.mart_campaign__daily"
RESTATEMENTS = "mdp_marts.mart_campaign__restatements"
UNIFIED = "mdp_staging.int_campaign__daily_unified"
RECONCILIATION = "mdp_staging.int_account__reconciliation"


def extract(warehouse: Warehouse, at: str, day: str, campaigns: list[Row]) -> None:
    """Extract campaigns of the account, and totals that are their sum."""
    run = f"run at {at}"
    total = google(
        None,
        micros=sum(row["metrics_cost_micros"] for row in campaigns),
        clicks=sum(row["metrics_clicks"] for row in campaigns),
        impressions=sum(row["metrics_impressions"] for row in campaigns),
        conversions=sum(row["metrics_conversions"] for row in campaigns),
    )
    warehouse.extract("google_ads", run, at, "11", day, campaigns)
    warehouse.extract("google_ads", run, at, "11", day, [total] if campaigns else [], report="account_daily")


def extract_five_days(warehouse: Warehouse) -> None:
    """Five days, each extracted at the ages of 1, 2 and 3 days that it has reached.

    Conversions arrive late: first 2 of 4, then 3. When it is three days old, a day is final.
    """
    warehouse.insert(
        "raw__accounts",
        [
            account("google_ads", "11", "USD", 0.5) | {"lookback_days": 1, "time_zone": "UTC"},
            account("meta_ads", "22", "EUR", 1.0),
        ],
    )
    for day in range(1, 6):
        for age in range(1, 4):
            at = datetime(2026, 1, day, 6) + timedelta(days=age)
            if str(at) <= THEN:
                campaigns = [google(1, conversions=1.0 + age), google(2, conversions=0.0)]
                extract(warehouse, str(at), f"2026-01-0{day}", campaigns)
    for report, name in (("campaign_daily", "9"), ("account_daily", None)):
        warehouse.extract("meta_ads", "m", THEN, "22", "2026-01-05", [meta(name)], report=report)


@pytest.fixture(scope="module")
def first_build(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built.once(dbt, tmp_path_factory.mktemp("built"), extract_five_days)


@pytest.fixture
def built(first_build: Built, warehouse: Warehouse) -> Warehouse:
    """A warehouse with five days, built."""
    assert not went_wrong(first_build.result)
    return first_build.copy_to(warehouse)


def later(warehouse: Warehouse) -> None:
    """The 2nd is emptied, the 3rd loses a campaign and gets one, the 5th grows. The account moves to another client."""
    at = "2026-01-09 06:00:00"
    extract(warehouse, at, "2026-01-02", [])
    extract(warehouse, at, "2026-01-03", [google(1, conversions=4.0), google(3, conversions=0.0)])
    extract(warehouse, at, "2026-01-05", [google(1, conversions=4.0, micros=9_999_999), google(2, conversions=0.0)])
    moved = account("google_ads", "11", "USD", 0.5, client="zenith") | {"ingested_at": at, "extract_run_id": "later"}
    warehouse.insert("raw__accounts", [moved | {"lookback_days": 1, "time_zone": "UTC"}])


def test_restatements_are_listed_and_a_build_as_of_an_instant_has_the_past_rows(
    dbt: Dbt, first_build: Built, built: Warehouse
) -> None:
    assert not outcomes(first_build.result, "warn")
    then = tables(built)

    maturity = built.query(
        "select age_days, days_observed, conversions_at_age, conversions_final, completeness "
        "from mdp_marts.mart_platform__maturity where platform = 'google_ads' and date = '2026-01-05' order by 1"
    )
    assert [tuple(row.values()) for row in maturity] == [
        (1, 3, 6, 12, 0.5),
        (3, 3, 12, 12, 1.0),
        (7, 3, 12, 12, 1.0),
        (14, 3, 12, 12, 1.0),
        (28, 3, 12, 12, 1.0),
    ]
    ages = built.query(
        f"select distinct day(date) as day, age_days, is_final, expected_completeness "
        f"from {MART} where platform = 'google_ads' order by 1"
    )
    assert [tuple(row.values()) for row in ages] == [
        (1, 3, True, 1.0),
        (2, 3, True, 1.0),
        (3, 3, True, 1.0),
        (4, 2, False, 0.5),
        (5, 1, False, 0.5),
    ]

    later(built)
    assert not went_wrong(dbt.build(MONTH))
    now = tables(built)

    changes = built.query(
        f"select day(date) as day, campaign_id, version, old_value, new_value, age_days from {RESTATEMENTS} "
        "where metric = 'conversions' order by all"
    )
    nothing = Decimal(0)
    assert [tuple(row.values()) for row in changes] == [
        *[(1, "1", version, version, version + 1, version) for version in (2, 3)],
        *[(2, "1", version, version, version + 1, version) for version in (2, 3)],
        (2, "1", 4, 4, None, 7),
        (2, "2", 4, nothing, None, 7),
        *[(3, "1", version, version, version + 1, version) for version in (2, 3)],
        (3, "2", 4, nothing, None, 6),
        (3, "3", 4, None, nothing, 6),
        (4, "1", 2, 2, 3, 2),
        (5, "1", 2, 2, 4, 4),
    ]
    assert {row["client_id"] for row in now[RESTATEMENTS]} == {"zenith"}
    # the first version's value plus all later differences is the mart's value
    added_up = f"""
        select date, campaign_id, coalesce(arg_min(old_value, version), 0) + sum(difference) as spend
        from {RESTATEMENTS} where metric = 'spend' group by all
    """
    wrong = built.query(
        f"""
        select date, campaign_id from ({added_up}) as added_up
        left join {MART} as mart using (date, campaign_id)
        where added_up.spend <> coalesce(mart.spend, 0)
        """
    )
    assert wrong == []

    assert not went_wrong(dbt.build_as_of(MONTH, THEN, THEN_SCHEMA))
    assert tables(built, as_of_schema=THEN_SCHEMA) == then != now
    assert tables(built) == now


def test_lost_rows_stop_the_marts_and_differences_of_the_platform_do_not(dbt: Dbt, warehouse: Warehouse) -> None:
    extract_five_days(warehouse)
    at = "2026-01-09 06:00:00"
    total = google(None, micros=30_000_000, clicks=20, impressions=2000, conversions=4.0)
    warehouse.extract("google_ads", "more", at, "11", "2026-01-02", [total], report="account_daily")
    warehouse.extract("google_ads", "more", at, "11", "2026-01-01", [total], report="account_daily")
    campaigns = [google(1, conversions=4.0), google(2, conversions=0.0)]
    warehouse.extract(
        "google_ads", "more", at, "11", "2026-01-02", campaigns, unchanged_since="run at 2026-01-05 06:00:00"
    )
    result = dbt.build(MONTH)
    assert not went_wrong(result)
    assert outcomes(result, "warn") == {RECONCILES: "Got 1 result, configured to warn if > 0"}
    differing = warehouse.query(f"select * from {RECONCILIATION} where verdict <> 'matches' order by date")
    assert [(row["date"].day, row["metric"], row["verdict"], row["difference"]) for row in differing] == [
        (1, "spend", "explained", -10),
        (2, "spend", "unexplained", -10),
    ]
    published = table(warehouse, MART)

    raw = "mdp_raw.raw_google_ads__campaign_daily"
    warehouse.query(f"delete from {raw} where date = '2026-01-03' and campaign_id = 2 and extract_run_id like '%-06 %'")
    result = dbt.build(MONTH)
    assert set(outcomes(result, "fail")) == {"rows_match_ledger_stg_google_ads__campaign_daily"}
    assert {"mart_campaign__daily", "mart_campaign__restatements"} <= set(outcomes(result, "skipped"))

    # without the test that found it first
    result = dbt("build", *ADS, "--exclude", "test_name:rows_match_ledger", "resource_type:unit_test", window=MONTH)
    assert outcomes(result, "fail") == {RECONCILES: "Got 7000008 results, configured to fail if >= 1000000"}
    assert {"mart_campaign__daily", "mart_campaign__restatements"} <= set(outcomes(result, "skipped"))
    assert table(warehouse, MART) == published
    (reconciles,) = (r for r in node_results(result) if r.node.name == RECONCILES)
    found = warehouse.query(str(reconciles.node.compiled_code))
    assert [(row["verdict"], row["metric"]) for row in found] == [
        ("lost", "impressions"),
        ("lost", "clicks"),
        ("lost", "spend"),
        ("lost", "conversion_value"),
        ("lost", "conversion_value_by_conversion_date"),
        ("lost", "conversions"),
        ("lost", "conversions_by_conversion_date"),
        ("unexplained", "spend"),
    ]
    assert found[0]["explanation"] == "raw has 1 of 2 rows that the ledger says were loaded"
    counts = ("rows_in_ledger", "rows_in_raw", "rows_staged", "rows_unified")
    assert [found[0][name] for name in counts] == [2, 1, 1, 1]


def test_every_step_counts_rows_and_keys(dbt: Dbt, built: Warehouse) -> None:
    """Two rows become one with the same sums, and one row becomes two, on another day in each step."""
    staged, client = "mdp_staging.stg_google_ads__campaign_daily", "mdp_marts.mart_client__daily"
    steps = [(staged, 1), (UNIFIED, 2), (MART, 3)]

    for step, day in steps:
        built.query(f"insert into {step} select * from {step} where day(date) = {day} and campaign_id = '1'")
    built.query(f"insert into {client} select * from {client} where day(date) = 4")
    assert failing_days(dbt, built) >= {
        ("grain_unique_stg_google_ads__campaign_daily", 1),
        ("rows_match_ledger_stg_google_ads__campaign_daily", 1),
        ("grain_unique_int_campaign__daily_unified", 2),
        ("rows_match_staging_int_campaign__daily_unified", 2),
        ("grain_unique_mart_campaign__daily", 3),
        ("rows_match_staging_mart_campaign__daily", 3),
        ("grain_unique_mart_client__daily", 4),
        ("sums_match_campaigns_mart_client__daily", 4),
    }

    assert not went_wrong(dbt.build(MONTH))
    measures = ("impressions", "clicks", "spend", "conversions", "conversion_value")
    for step, day in steps:
        doubled = ", ".join(
            f"{name} = (select sum({name}) from {step} where day(date) = {day} and account_id = '11')"
            for name in measures
        )
        built.query(f"update {step} set {doubled} where day(date) = {day} and campaign_id = '1'")
        built.query(f"delete from {step} where day(date) = {day} and campaign_id = '2'")
    built.query(f"update {client} set campaigns = 1 where day(date) = 4")
    assert failing_days(dbt, built) >= {
        ("rows_match_ledger_stg_google_ads__campaign_daily", 1),
        ("rows_match_staging_int_campaign__daily_unified", 2),
        ("rows_match_staging_mart_campaign__daily", 3),
        ("sums_match_campaigns_mart_client__daily", 4),
    }


def failing_days(dbt: Dbt, warehouse: Warehouse) -> set[tuple[str, int]]:
    """The failing tests with their days."""
    results = node_results(dbt("test", *ADS, "--exclude-resource-type", "unit_test", window=MONTH))
    return {
        (result.node.name, row["date"].day)
        for result in results
        if result.status == "fail"
        for row in warehouse.query(str(result.node.compiled_code))
        if row.get("date")
    }


def test_restatements_that_do_not_add_up_to_the_current_value_fail(dbt: Dbt, built: Warehouse) -> None:
    built.query(f"delete from {RESTATEMENTS} where day(date) = 1 and version = 2")
    built.query(f"update {RESTATEMENTS} set old_value = 99 where day(date) = 2 and version = 3")
    built.query(f"delete from {RESTATEMENTS} where day(date) = 3 and version = 3")
    built.query(f"delete from {UNIFIED} where day(date) = 4")
    name = "changes_add_up_mart_campaign__restatements"
    (result,) = node_results(dbt("test", "--select", name, window=MONTH))
    assert result.status == "fail"
    days = {row["date"].day for row in built.query(str(result.node.compiled_code))}
    # the first version of a day can't contradict an earlier one: the 1st lost it, and ends with the right value
    assert days == {2, 3, 4}


def test_a_warehouse_without_late_data_gets_the_new_columns_and_tables(dbt: Dbt, built: Warehouse) -> None:
    """One day is built in a warehouse of an earlier version. The other days keep their rows."""
    before = {model: table(built, model) for model in MODELS}
    new_columns = {
        "mdp_staging.stg_google_ads__campaign_daily": ["pulled_at"],
        "mdp_staging.stg_google_ads__account_daily": ["pulled_at"],
        "mdp_staging.stg_meta_ads__campaign_daily": ["pulled_at"],
        "mdp_staging.stg_meta_ads__account_daily": ["pulled_at"],
        UNIFIED: ["age_days", "is_final"],
        MART: ["age_days", "is_final", "expected_completeness", "completeness_source"],
    }
    for model, columns in new_columns.items():
        for column in columns:
            built.query(f"alter table {model} drop column {column}")
    for model in (
        RESTATEMENTS,
        RECONCILIATION,
        "mdp_staging.int_account__daily_maturity",
        "mdp_staging.int_platform__daily_maturity",
        "mdp_marts.mart_account__maturity",
        "mdp_marts.mart_platform__maturity",
    ):
        built.query(f"drop table {model}")

    assert not went_wrong(dbt.build(("2026-01-04", "2026-01-05")))
    for model, columns in new_columns.items():
        for row, was in zip(table(built, model), before[model], strict=True):
            empty = {} if row["date"].day == 4 else dict.fromkeys(columns)
            # the curve's input was not built, so the values are null
            empty |= {name: None for name in ("expected_completeness", "completeness_source") if name in columns}
            assert row == was | empty
    assert {row["date"].day for row in table(built, RESTATEMENTS)} == {4}


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        (
            {"as_of": "2026-11-01", "as_of_schema": "x"},
            "The variable as_of must be an instant in UTC like 2026-11-01 06:00:00, not '2026-11-01'",
        ),
        ({"as_of": THEN}, "would write to mdp_staging, which holds the present"),
        # the project was parsed without them
        ({"as_of": THEN, "as_of_schema": THEN_SCHEMA}, "would write to mdp_staging, which holds the present"),
    ],
)
def test_a_build_as_of_an_instant_never_overwrites_the_current_tables(
    dbt: Dbt, warehouse: Warehouse, variables: dict[str, Any], complaint: str
) -> None:
    result = dbt("run", "--select", "stg_google_ads__account_daily", window=MONTH, **variables)
    assert complaint in went_wrong(result)["stg_google_ads__account_daily"]
