"""The declarations that raw tables, digests and staging build on, and the requests that follow from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors import google_ads, meta_ads
from mdp_dagster.connectors.base import Amount, ColumnType, DayReport
from mdp_dagster.connectors.errors import HistoryError
from mdp_dagster.connectors.google_ads.reports import gaql, gaql_field
from mdp_dagster.connectors.history import (
    check_history,
    earliest_today,
    fewest_days_in,
    first_day,
    reachable,
    refused_by_platform,
    safe_first_day,
)
from mdp_dagster.connectors.meta_ads.reports import CAMPAIGN_STATUSES, insights_params
from mdp_dagster.window import DateWindow, months_before

ALL = (*google_ads.REPORTS, *meta_ads.REPORTS)
TEXT, INT, FLOAT = ColumnType.STRING, ColumnType.INTEGER, ColumnType.DOUBLE
INT_TEXT, DECIMAL_TEXT, JSON_TEXT = ColumnType.INTEGER_TEXT, ColumnType.DECIMAL_TEXT, ColumnType.JSON_TEXT

CONTRACT = {
    ("google_ads", "account_daily"): {
        "customer_id": INT, "customer_descriptive_name": TEXT, "customer_currency_code": TEXT,
        "customer_time_zone": TEXT, "segments_date": TEXT, "metrics_impressions": INT, "metrics_clicks": INT,
        "metrics_cost_micros": INT, "metrics_conversions": FLOAT, "metrics_conversions_value": FLOAT,
        "metrics_all_conversions": FLOAT, "metrics_conversions_by_conversion_date": FLOAT,
        "metrics_conversions_value_by_conversion_date": FLOAT,
    },
    ("google_ads", "campaign_daily"): {
        "customer_id": INT, "customer_descriptive_name": TEXT, "customer_currency_code": TEXT,
        "customer_time_zone": TEXT, "campaign_id": INT, "campaign_name": TEXT, "campaign_status": TEXT,
        "campaign_advertising_channel_type": TEXT, "segments_date": TEXT, "metrics_impressions": INT,
        "metrics_clicks": INT, "metrics_cost_micros": INT, "metrics_conversions": FLOAT,
        "metrics_conversions_value": FLOAT, "metrics_all_conversions": FLOAT,
        "metrics_conversions_by_conversion_date": FLOAT, "metrics_conversions_value_by_conversion_date": FLOAT,
    },
    ("meta_ads", "account_daily"): {
        "account_name": TEXT, "account_currency": TEXT, "timezone_name": TEXT, "date_start": TEXT,
        "date_stop": TEXT, "impressions": INT_TEXT, "clicks": INT_TEXT, "spend": DECIMAL_TEXT, "reach": INT_TEXT,
        "inline_link_clicks": INT_TEXT, "actions": JSON_TEXT, "action_values": JSON_TEXT,
    },
    ("meta_ads", "campaign_daily"): {
        "account_name": TEXT, "account_currency": TEXT, "timezone_name": TEXT, "campaign_id": TEXT,
        "campaign_name": TEXT, "campaign_status": TEXT, "campaign_effective_status": TEXT, "objective": TEXT,
        "date_start": TEXT, "date_stop": TEXT, "impressions": INT_TEXT, "clicks": INT_TEXT,
        "spend": DECIMAL_TEXT, "reach": INT_TEXT, "inline_link_clicks": INT_TEXT, "actions": JSON_TEXT,
        "action_values": JSON_TEXT,
    },
}  # fmt: skip
windows = st.builds(
    lambda start, days: DateWindow(start, start + timedelta(days=days)),
    st.dates(date(2015, 1, 1), date(2035, 1, 1)),
    st.integers(1, 1500),
)


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.table)
def test_a_report_has_the_columns_of_the_contract_in_its_order(report: DayReport) -> None:
    assert [(c.name, c.type) for c in report.columns] == list(CONTRACT[report.source, report.name].items())


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.table)
def test_a_report_declares_its_key_day_and_amounts_among_its_columns(report: DayReport) -> None:
    names = {column.name for column in report.columns}
    assert {*report.key, report.day_column, *(amount.column for amount in report.amounts.values())} <= names
    assert report.day_column in report.key
    assert report.grain
    assert all(column.description for column in report.columns)


def test_lookbacks_and_units_are_the_platforms() -> None:
    assert {r.lookback_days for r in google_ads.REPORTS} == {90}
    assert {r.lookback_days for r in meta_ads.REPORTS} == {28}
    assert {r.history_months for r in ALL} == {37}
    assert {r.amounts["spend"].units_per_one for r in google_ads.REPORTS} == {1_000_000}
    assert {r.amounts["spend"].units_per_one for r in meta_ads.REPORTS} == {1}


def test_the_reports_declare_the_period_the_account_and_the_currency_of_their_rows() -> None:
    declared = {(r.source, r.period_end_column, r.account_id_column, r.currency_column) for r in ALL}
    assert declared == {
        ("google_ads", "", "customer_id", "customer_currency_code"),
        ("meta_ads", "date_stop", "", "account_currency"),
    }


@pytest.mark.parametrize("fact", ["period_end_column", "account_id_column", "currency_column", "day_column"])
def test_a_report_cannot_declare_a_column_that_it_does_not_have(fact: str) -> None:
    with pytest.raises(ValueError, match="raw_google_ads__account_daily: there is not a column other"):
        replace(google_ads.ACCOUNT_DAILY, **{fact: "other"})


@pytest.mark.parametrize(
    ("report", "units", "unit"),
    [
        (google_ads.CAMPAIGN_DAILY, 1, "millionths of the account's currency"),
        (meta_ads.CAMPAIGN_DAILY, 1_000_000, "the account's currency"),
    ],
)
def test_an_amount_cannot_have_other_units_than_its_column(report: DayReport, units: int, unit: str) -> None:
    spend = replace(report.amounts["spend"], units_per_one=units)
    with pytest.raises(ValueError, match=f"the amount spend has {units} units per one.* is in {unit}$"):
        replace(report, amounts={"spend": spend})


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.table)
def test_the_amounts_are_the_measures_of_the_marts(report: DayReport) -> None:
    money = {name: amount.is_money for name, amount in report.amounts.items()}
    judged = {"spend", "conversions", "conversion_value", "clicks", "impressions"}
    assert judged <= money.keys()
    assert {name for name, is_money in money.items() if is_money and name in judged} == {"spend", "conversion_value"}
    essential = {column.name for column in report.columns if column.essential}
    assert {report.amounts[name].column for name in judged} <= essential


def test_the_key_must_be_essential_and_an_amount_need_not() -> None:
    report, column = google_ads.CAMPAIGN_DAILY, "metrics_all_conversions"
    all_conversions = replace(report, amounts={"all": Amount(column)}).amounts["all"]
    assert [all_conversions.of_row({column: value}, {}) for value in (float("nan"), None, 2.5)] == [0.0, 0.0, 2.5]
    with pytest.raises(ValueError, match=f"the key and the day must be essential: {column}$"):
        replace(report, key=(column,))


@pytest.mark.parametrize(
    ("actions", "values", "options", "expected"),
    [
        ('[{"action_type":"purchase","value":"2"}]', '[{"action_type":"purchase","value":"30.5"}]', {}, (2.0, 30.5)),
        ('[{"action_type":"lead","value":"2"}]', '[{"action_type":"purchase","value":"30.5"}]', {}, (0.0, 30.5)),
        (
            '[{"action_type":"purchase","value":"2"}]',
            '[{"action_type":"omni_purchase","value":"30.5"}]',
            {},
            (2.0, 0.0),
        ),
        (
            '[{"action_type":"purchase","value":"2"},{"action_type":"lead","value":"5"}]',
            '[{"action_type":"purchase","value":"30.5"}]',
            {"conversion_action_type": "lead"},
            (5.0, 0.0),
        ),
        ('[null,1,[],{"action_type":"purchase","value":"2"}]', '[{"action_type":"purchase"}]', {}, (2.0, 0.0)),
        ('[{"value":"9"},{"action_type":["a"]},{"action_type":"purchase","value":2}]', None, {}, (2.0, 0.0)),
        ("not json", '[{"action_type":"purchase","value":"x"}]', {}, (0.0, 0.0)),
        ("5", '{"action_type":"purchase","value":"2"}', {}, (0.0, 0.0)),
        (None, None, {}, (0.0, 0.0)),
    ],
)
def test_metas_conversions_and_their_value_are_of_one_type(
    actions: str | None, values: str | None, options: dict[str, str], expected: tuple[float, float]
) -> None:
    row = {"actions": actions, "action_values": values}
    amounts = meta_ads.CAMPAIGN_DAILY.amounts
    assert tuple(amounts[name].of_row(row, options) for name in ("conversions", "conversion_value")) == expected


def test_amounts_of_rows_are_in_the_accounts_currency_and_add_up_to_the_total() -> None:
    spend, conversions = (google_ads.CAMPAIGN_DAILY.amounts[name] for name in ("spend", "conversions"))
    rows = [{"metrics_cost_micros": 1_500_000, "metrics_conversions": 2.5}, {"metrics_cost_micros": None}]
    table = pa.Table.from_pylist(rows, google_ads.CAMPAIGN_DAILY.schema)
    assert [spend.of_row(row, {}) for row in table.to_pylist()] == [1.5, 0.0]
    assert (spend.total(table, {}), conversions.total(table, {})) == (1.5, 2.5)


@pytest.mark.parametrize("unreadable", [float("nan"), float("inf"), -float("inf"), 1e40])
def test_an_unreadable_side_value_does_not_spoil_the_sum_of_the_others(unreadable: float) -> None:
    column = "metrics_conversions_value_by_conversion_date"
    value = google_ads.CAMPAIGN_DAILY.amounts["conversion_value_by_conversion_date"]
    rows = [{column: 2.5}, {column: unreadable}, {column: None}]
    table = pa.Table.from_pylist(rows, google_ads.CAMPAIGN_DAILY.schema)
    assert (value.total(table, {}), [value.of_row(row, {}) for row in rows]) == (2.5, [2.5, 0.0, 0.0])


def test_meta_counts_the_conversions_of_the_accounts_own_type() -> None:
    spend, conversions = (meta_ads.CAMPAIGN_DAILY.amounts[name] for name in ("spend", "conversions"))
    actions = '[{"action_type":"lead","value":"3"},{"action_type":"purchase","value":"2"}]'
    table = pa.Table.from_pylist([{"spend": "1.50", "actions": actions}] * 2, meta_ads.CAMPAIGN_DAILY.schema)
    assert conversions.total(table, {}) == 4.0
    assert conversions.total(table, {"conversion_action_type": "lead"}) == 6.0
    assert spend.total(table, {}) == 3.0


@given(windows)
def test_gaql_says_the_window_with_both_ends_inside(window: DateWindow) -> None:
    for report in google_ads.REPORTS:
        select, _, rest = gaql(report, window).partition(" FROM ")
        assert rest.split(" WHERE ")[1] == f"segments.date BETWEEN '{window.start}' AND '{window.last}'"
        fields = select.removeprefix("SELECT ").split(", ")
        assert [field.replace(".", "_", 1) for field in fields] == [c.name for c in report.columns]


def test_gaql_asks_each_report_of_its_own_resource_without_a_status_filter() -> None:
    window = DateWindow.of_days("2026-01-01", "2026-01-31")
    assert " FROM customer WHERE " in gaql(google_ads.ACCOUNT_DAILY, window)
    assert " FROM campaign WHERE " in gaql(google_ads.CAMPAIGN_DAILY, window)
    assert "AND campaign.status" not in gaql(google_ads.CAMPAIGN_DAILY, window)


def test_a_column_without_a_resource_has_no_gaql_field() -> None:
    with pytest.raises(KeyError, match="does not begin with a resource"):
        gaql_field("spend")


@given(windows)
def test_insights_say_the_window_with_both_ends_inside(window: DateWindow) -> None:
    params = insights_params(meta_ads.CAMPAIGN_DAILY, window)
    assert params["time_range"] == {"since": str(window.start), "until": str(window.last)}
    assert (params["level"], params["time_increment"]) == ("campaign", 1)
    assert "account_id" in params["fields"].split(","), "the connector checks it"


def test_insights_include_archived_and_deleted_campaigns() -> None:
    from facebook_business.adobjects.campaign import Campaign

    statuses = Campaign.EffectiveStatus
    assert set(CAMPAIGN_STATUSES) == {v for k, v in vars(statuses).items() if not k.startswith("_")}
    window = DateWindow.of_days("2026-01-01", "2026-01-31")
    (condition,) = insights_params(meta_ads.CAMPAIGN_DAILY, window)["filtering"]
    assert condition["value"] == list(CAMPAIGN_STATUSES)
    assert "filtering" not in insights_params(meta_ads.ACCOUNT_DAILY, window)


@given(windows, st.dates(date(2018, 1, 1), date(2030, 1, 1)))
def test_history_refuses_exactly_the_windows_that_begin_before_it(window: DateWindow, today: date) -> None:
    for report in ALL:
        first = months_before(today, 37)
        if window.start >= first:
            check_history(report, window, today)
            continue
        with pytest.raises(HistoryError) as caught:
            check_history(report, window, today)
        assert str(first) in caught.value.message
        assert f"MDP_START_DATE={first}" in caught.value.remedy


def test_without_a_day_history_takes_the_one_where_the_day_begins_last() -> None:
    first = first_day(ALL[0], earliest_today())
    check_history(ALL[0], DateWindow(first, first + timedelta(days=1)))
    with pytest.raises(HistoryError):
        check_history(ALL[0], DateWindow(first - timedelta(days=1), first))


@given(st.dates(date(2018, 1, 1), date(2030, 1, 1)))
def test_the_day_named_after_a_refusal_is_within_the_history(today: date) -> None:
    for months in (1, 12, 37):
        assert today - timedelta(days=fewest_days_in(months)) >= months_before(today, months)


def test_the_fewest_days_in_months_are_those_of_a_span_with_a_short_february() -> None:
    assert [fewest_days_in(months) for months in (1, 2, 12, 37)] == [28, 59, 365, 1_123]


@given(st.integers(1, 60), st.integers(-1300, 2000), st.integers(1, 1500))
def test_what_is_reachable_is_never_refused_and_never_begins_earlier_than_requested(
    months: int, begins_days_after_the_first: int, length: int
) -> None:
    report = replace(ALL[0], history_months=months)
    first = first_day(report, earliest_today())
    start = first + timedelta(days=begins_days_after_the_first)
    window = DateWindow(start, start + timedelta(days=length))
    part = reachable(report, window)
    if window.start >= first:
        assert part == window
    elif part is None:
        assert window.end <= safe_first_day(report)
    else:
        assert window.start < part.start == safe_first_day(report) and part.end == window.end
    if part is not None:
        check_history(report, part)
        assert part == window or part.start >= months_before(earliest_today() + timedelta(days=1), months)


def test_a_refusal_keeps_the_platforms_words() -> None:
    error = refused_by_platform(ALL[0], DateWindow.of_days("2015-01-01", "2015-01-31"), "Too old.")
    assert "Too old." in error.message
    assert "MDP_START_DATE=" in error.remedy
