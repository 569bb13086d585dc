"""Google Ads' reports, declared once, and the GAQL that asks for them.

A column's name is its GAQL field with the first dot written as an underscore: ``metrics_cost_micros`` is
``metrics.cost_micros``. Field meanings: https://developers.google.com/google-ads/api/fields/v26/overview.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mdp_dagster.connectors.base import Column, ColumnType, Report
from mdp_dagster.window import DateWindow

SOURCE = "google_ads"
# Conversions count towards the day of the click, for as long as the conversion window of their action: up to
# 90 days.
LOOKBACK_DAYS = 90

_RESOURCES = ("campaign", "customer", "metrics", "segments")

_ACCOUNT = (
    Column("customer_id", ColumnType.INTEGER, "Account (customer) id."),
    Column("customer_descriptive_name", ColumnType.STRING, "Account name."),
    Column("customer_currency_code", ColumnType.STRING, "Currency of the account's money.", "ISO 4217"),
    Column("customer_time_zone", ColumnType.STRING, "Time zone whose days the rows are.", "IANA"),
)
_CAMPAIGN = (
    Column("campaign_id", ColumnType.INTEGER, "Campaign id."),
    Column("campaign_name", ColumnType.STRING, "Campaign name when the row was pulled."),
    Column("campaign_status", ColumnType.STRING, "ENABLED, PAUSED or REMOVED when the row was pulled."),
    Column("campaign_advertising_channel_type", ColumnType.STRING, "Channel: SEARCH, PERFORMANCE_MAX, VIDEO, ..."),
)
_DAY = (Column("segments_date", ColumnType.STRING, "Day in the account's time zone.", "YYYY-MM-DD"),)
_METRICS = (
    Column("metrics_impressions", ColumnType.INTEGER, "Times that an ad was shown."),
    Column("metrics_clicks", ColumnType.INTEGER, "Clicks."),
    Column("metrics_cost_micros", ColumnType.INTEGER, "Cost.", "millionths of the account's currency"),
    Column(
        "metrics_conversions",
        ColumnType.DOUBLE,
        "Conversions of the actions that bidding counts; fractional.",
    ),
    Column(
        "metrics_conversions_value",
        ColumnType.DOUBLE,
        "Value of those conversions.",
        "the account's currency",
    ),
    Column("metrics_all_conversions", ColumnType.DOUBLE, "Conversions of all actions; fractional."),
)


def conversions(row: Mapping[str, Any], configured: str) -> float:
    """Those that bidding counts. (Google counts by conversion action: there is no type to configure.)"""
    return float(row["metrics_conversions"] or 0)


ACCOUNT_DAILY = Report(
    source=SOURCE,
    name="account_daily",
    description="Google Ads account totals by day: what the platform itself says, and what campaigns must add up to.",
    grain="one row per account and day with any activity",
    key=("segments_date",),
    day_column="segments_date",
    lookback_days=LOOKBACK_DAYS,
    columns=_ACCOUNT + _DAY + _METRICS,
    cost_column="metrics_cost_micros",
    conversions=conversions,
    cost_per_unit=1_000_000,
)
CAMPAIGN_DAILY = Report(
    source=SOURCE,
    name="campaign_daily",
    description="Google Ads campaigns by day. All statuses: removed campaigns have history.",
    grain="one row per account, campaign and day with any activity",
    key=("campaign_id", "segments_date"),
    day_column="segments_date",
    lookback_days=LOOKBACK_DAYS,
    columns=_ACCOUNT + _CAMPAIGN + _DAY + _METRICS,
    cost_column="metrics_cost_micros",
    conversions=conversions,
    cost_per_unit=1_000_000,
)
REPORTS = (ACCOUNT_DAILY, CAMPAIGN_DAILY)

# Totals must come from these resources: Performance Max campaigns have no ad rows, so sums over ads are too
# small.
_FROM = {ACCOUNT_DAILY.name: "customer", CAMPAIGN_DAILY.name: "campaign"}


def gaql_field(column: str) -> str:
    """The GAQL field behind a column. Raises ``KeyError`` if the column names no resource."""
    for resource in _RESOURCES:
        if column.startswith(f"{resource}_"):
            return f"{resource}.{column.removeprefix(f'{resource}_')}"
    raise KeyError(f"{column!r} begins with no resource of Google Ads")


def gaql(report: Report, window: DateWindow) -> str:
    """The query for a window. BETWEEN includes both ends; selecting ``segments.date`` gives days, and leaves
    out rows whose selected metrics are all zero."""
    fields = ", ".join(gaql_field(column.name) for column in report.columns)
    days = f"segments.date BETWEEN '{window.start}' AND '{window.last}'"
    return f"SELECT {fields} FROM {_FROM[report.name]} WHERE {days}"
