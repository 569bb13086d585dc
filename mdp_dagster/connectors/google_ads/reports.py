"""The reports of Google Ads and their GAQL queries.

A column's name is its GAQL field, with the first dot replaced by an underscore: ``metrics_cost_micros`` is
``metrics.cost_micros``. Field meanings: https://developers.google.com/google-ads/api/fields/v26/overview.
"""

from __future__ import annotations

from mdp_dagster.connectors.base import CURRENCY_UNIT, MICROS_UNIT, Amount, Column, ColumnType, DayReport
from mdp_dagster.window import DateWindow

SOURCE = "google_ads"
# A conversion counts towards the day of the click. It can arrive while the conversion window of its action is open, for
# up to 90 days.
LOOKBACK_DAYS = 90
# "Conversions of any attribution model other than last click: up to 15 hours" (support.google.com/google-ads/2544985).
PROCESSING_HOURS = 15
# DateRangeError.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED: "daily ... only available for the last 37 months".
HISTORY_MONTHS = 37

_RESOURCES = ("campaign", "customer", "metrics", "segments")

_ACCOUNT = (
    Column("customer_id", ColumnType.INTEGER, "Account (customer) id."),
    Column("customer_descriptive_name", ColumnType.STRING, "Account name."),
    Column("customer_currency_code", ColumnType.STRING, "Currency of the account's money.", "ISO 4217"),
    Column("customer_time_zone", ColumnType.STRING, "Time zone of the account and of the days.", "IANA"),
)
_CAMPAIGN = (
    Column("campaign_id", ColumnType.INTEGER, "Campaign id."),
    Column("campaign_name", ColumnType.STRING, "Campaign name when the row was extracted."),
    Column("campaign_status", ColumnType.STRING, "ENABLED, PAUSED or REMOVED when the row was extracted."),
    Column("campaign_advertising_channel_type", ColumnType.STRING, "Channel: SEARCH, PERFORMANCE_MAX, VIDEO, ..."),
)
_DAY = (Column("segments_date", ColumnType.STRING, "Day in the account's time zone.", "YYYY-MM-DD"),)
_METRICS = (
    Column("metrics_impressions", ColumnType.INTEGER, "Times that an ad was shown."),
    Column("metrics_clicks", ColumnType.INTEGER, "Clicks."),
    Column("metrics_cost_micros", ColumnType.INTEGER, "Cost.", MICROS_UNIT),
    Column(
        "metrics_conversions",
        ColumnType.DOUBLE,
        "Conversions of the actions that bidding counts; fractional.",
    ),
    Column(
        "metrics_conversions_value",
        ColumnType.DOUBLE,
        "Value of those conversions.",
        CURRENCY_UNIT,
    ),
    Column("metrics_all_conversions", ColumnType.DOUBLE, "Conversions of all actions; fractional.", essential=False),
    Column(
        "metrics_conversions_by_conversion_date",
        ColumnType.DOUBLE,
        "Conversions that happened on the day, of the same actions; fractional.",
        essential=False,
    ),
    Column(
        "metrics_conversions_value_by_conversion_date",
        ColumnType.DOUBLE,
        "Value of the conversions that happened on the day.",
        CURRENCY_UNIT,
        essential=False,
    ),
)

# Version 2 added the conversions by their own day.
_CONTRACT_VERSION = 2


_AMOUNTS = {
    "spend": Amount("metrics_cost_micros", is_money=True, units_per_one=1_000_000),
    "conversions": Amount("metrics_conversions"),
    "conversion_value": Amount("metrics_conversions_value", is_money=True),
    "clicks": Amount("metrics_clicks"),
    "impressions": Amount("metrics_impressions"),
    "conversions_by_conversion_date": Amount("metrics_conversions_by_conversion_date"),
    "conversion_value_by_conversion_date": Amount("metrics_conversions_value_by_conversion_date", is_money=True),
}

ACCOUNT_DAILY = DayReport(
    source=SOURCE,
    name="account_daily",
    description="Google Ads account totals by day, as reported by Google. Campaigns must add up to them.",
    grain="one row per account and day with any activity",
    key=("segments_date",),
    day_column="segments_date",
    account_id_column="customer_id",
    currency_column="customer_currency_code",
    lookback_days=LOOKBACK_DAYS,
    processing_hours=PROCESSING_HOURS,
    history_months=HISTORY_MONTHS,
    columns=_ACCOUNT + _DAY + _METRICS,
    amounts=_AMOUNTS,
    contract_version=_CONTRACT_VERSION,
)
CAMPAIGN_DAILY = DayReport(
    source=SOURCE,
    name="campaign_daily",
    description="Google Ads campaigns by day. All statuses: removed campaigns have history.",
    grain="one row per account, campaign and day with any activity",
    key=("campaign_id", "segments_date"),
    day_column="segments_date",
    account_id_column="customer_id",
    currency_column="customer_currency_code",
    lookback_days=LOOKBACK_DAYS,
    processing_hours=PROCESSING_HOURS,
    history_months=HISTORY_MONTHS,
    columns=_ACCOUNT + _CAMPAIGN + _DAY + _METRICS,
    amounts=_AMOUNTS,
    contract_version=_CONTRACT_VERSION,
    adds_up_to=ACCOUNT_DAILY.name,
    checkpoint_ages=(14, 28),  # credit can move between campaigns while the total stays
)
REPORTS = (ACCOUNT_DAILY, CAMPAIGN_DAILY)

# Totals must come from these resources: Performance Max campaigns do not have ad rows, so sums over ads are too small.
_FROM = {ACCOUNT_DAILY.name: "customer", CAMPAIGN_DAILY.name: "campaign"}


def gaql_field(column: str) -> str:
    """Returns the GAQL field behind a column.

    Raises:
        KeyError: The column's name does not begin with a resource.
    """
    for resource in _RESOURCES:
        if column.startswith(f"{resource}_"):
            return f"{resource}.{column.removeprefix(f'{resource}_')}"
    raise KeyError(f"{column!r} does not begin with a resource of Google Ads ({', '.join(_RESOURCES)})")


def gaql(report: DayReport, window: DateWindow) -> str:
    """Returns the query for a window.

    BETWEEN includes both ends. Selecting ``segments.date`` returns one row per day; Google leaves out rows in which all
    selected metrics are zero.
    """
    fields = ", ".join(gaql_field(column.name) for column in report.columns)
    days = f"segments.date BETWEEN '{window.start}' AND '{window.last}'"
    return f"SELECT {fields} FROM {_FROM[report.name]} WHERE {days}"
