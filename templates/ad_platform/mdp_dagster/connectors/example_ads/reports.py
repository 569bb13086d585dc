"""The reports of Example Ads, declared once, and the parameters of their requests.

A column has the name of the API's field. Numbers are kept as text, as the API's JSON contains them.
"""

from __future__ import annotations

from typing import Any

from mdp_dagster.connectors.base import CURRENCY_UNIT, Amount, Column, ColumnType, DayReport
from mdp_dagster.window import DateWindow

SOURCE = "example_ads"
LOOKBACK_DAYS = 28  # for how long the platform goes on changing a day
HISTORY_MONTHS = 37

_ACCOUNT = (
    Column("account_name", ColumnType.STRING, "Account name."),
    Column("account_currency", ColumnType.STRING, "Currency of the account's money.", "ISO 4217"),
    Column("account_time_zone", ColumnType.STRING, "Time zone of the account, which defines its days.", "IANA"),
)
_CAMPAIGN = (
    Column("campaign_id", ColumnType.STRING, "Campaign id."),
    Column("campaign_name", ColumnType.STRING, "Campaign name at the time of the extract."),
    Column("campaign_status", ColumnType.STRING, "Campaign status at the time of the extract."),
    Column("objective", ColumnType.STRING, "Campaign objective at the time of the extract."),
)
_DAY = (Column("day", ColumnType.STRING, "Day in the account's time zone.", "YYYY-MM-DD"),)
_METRICS = (
    Column("impressions", ColumnType.INTEGER_TEXT, "Times that an ad was shown."),
    Column("clicks", ColumnType.INTEGER_TEXT, "Clicks."),
    Column("spend", ColumnType.DECIMAL_TEXT, "Spend.", CURRENCY_UNIT),
    Column("conversions", ColumnType.DECIMAL_TEXT, "Conversions; fractional."),
    Column("conversion_value", ColumnType.DECIMAL_TEXT, "Value of the conversions.", CURRENCY_UNIT),
)
_AMOUNTS = {
    "spend": Amount("spend", is_money=True),
    "conversions": Amount("conversions"),
    "conversion_value": Amount("conversion_value", is_money=True),
    "clicks": Amount("clicks"),
    "impressions": Amount("impressions"),
}

ACCOUNT_DAILY = DayReport(
    source=SOURCE,
    name="account_daily",
    description="Example Ads account totals by day, as the platform reports them. Campaigns must add up to them.",
    grain="one row per account and day with any activity",
    key=("day",),
    day_column="day",
    currency_column="account_currency",
    lookback_days=LOOKBACK_DAYS,
    history_months=HISTORY_MONTHS,
    columns=_ACCOUNT + _DAY + _METRICS,
    amounts=_AMOUNTS,
)
CAMPAIGN_DAILY = DayReport(
    source=SOURCE,
    name="campaign_daily",
    description="Example Ads campaigns by day, with all statuses.",
    grain="one row per account, campaign and day with any activity",
    key=("campaign_id", "day"),
    day_column="day",
    currency_column="account_currency",
    lookback_days=LOOKBACK_DAYS,
    history_months=HISTORY_MONTHS,
    columns=_ACCOUNT + _CAMPAIGN + _DAY + _METRICS,
    amounts=_AMOUNTS,
    adds_up_to=ACCOUNT_DAILY.name,
    checkpoint_ages=(14, 28),  # credit can move between campaigns while the total stays
)
REPORTS = (ACCOUNT_DAILY, CAMPAIGN_DAILY)


def report_params(window: DateWindow) -> dict[str, Any]:
    """The parameters for a window. The API's range includes both ends."""
    return {"since": str(window.start), "until": str(window.last)}
