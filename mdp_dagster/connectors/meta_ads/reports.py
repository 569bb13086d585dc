"""Meta's reports, declared once, and the insights parameters that ask for them.

A column has the name of its insights field. Field meanings:
https://developers.facebook.com/docs/marketing-api/reference/ads-insights/. Numbers are text there, and stay
text here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mdp_dagster.connectors.base import Column, ColumnType, Report
from mdp_dagster.window import DateWindow

SOURCE = "meta_ads"
# Conversions count towards the day of the click or view, for up to 28 days (`28d_click`).
LOOKBACK_DAYS = 28

# Campaign.EffectiveStatus of facebook-business 26: all there are. Without them archived and deleted campaigns
# are missing (facebook-python-business-sdk #292, airbyte #37437); the account's own totals include them.
CAMPAIGN_STATUSES = ("ACTIVE", "ARCHIVED", "DELETED", "IN_PROCESS", "PAUSED", "WITH_ISSUES")

# Columns that insights don't have: they come from the account and from its campaigns.
TIME_ZONE = "timezone_name"
CAMPAIGN_STATUS = {"campaign_status": "status", "campaign_effective_status": "effective_status"}

_ACCOUNT = (
    Column("account_name", ColumnType.STRING, "Account name."),
    Column("account_currency", ColumnType.STRING, "Currency of the account's money.", "ISO 4217"),
    Column(TIME_ZONE, ColumnType.STRING, "Time zone whose days the rows are; of the account.", "IANA"),
)
_CAMPAIGN = (
    Column("campaign_id", ColumnType.STRING, "Campaign id."),
    Column("campaign_name", ColumnType.STRING, "Campaign name when the row was pulled."),
    Column("campaign_status", ColumnType.STRING, "Status that was set, when the row was pulled."),
    Column("campaign_effective_status", ColumnType.STRING, "Status in effect when the row was pulled."),
    Column("objective", ColumnType.STRING, "Campaign objective when the row was pulled."),
)
_DAYS = (
    Column("date_start", ColumnType.STRING, "Day in the account's time zone.", "YYYY-MM-DD"),
    Column("date_stop", ColumnType.STRING, "The same day.", "YYYY-MM-DD"),
)
_METRICS = (
    Column("impressions", ColumnType.INTEGER_TEXT, "Times that an ad was shown."),
    Column("clicks", ColumnType.INTEGER_TEXT, "Clicks of all kinds."),
    Column("spend", ColumnType.DECIMAL_TEXT, "Spend.", "the account's currency"),
    Column("reach", ColumnType.INTEGER_TEXT, "People reached; not additive."),
    Column("inline_link_clicks", ColumnType.INTEGER_TEXT, "Clicks on links that leave the ad."),
    Column(
        "actions",
        ColumnType.JSON_TEXT,
        "Actions by action_type. One purchase stands under several types: choose one, never sum.",
    ),
    Column(
        "action_values",
        ColumnType.JSON_TEXT,
        "Values of the actions by action_type.",
        "the account's currency",
    ),
)

# One purchase stands under several types. The first of these that a row has is the one counted, unless the account
# names its own; dbt_project.yml has the same list for the models.
CONVERSION_ACTION_TYPES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")


def conversions(row: Mapping[str, Any], configured: str) -> float:
    """The actions of one type; 0 for a list that can't be read, which staging flags."""
    counts: dict[str, float] = {}
    try:
        for action in json.loads(row["actions"] or "[]"):
            counts[action["action_type"]] = counts.get(action["action_type"], 0.0) + float(action["value"])
    except (TypeError, KeyError, ValueError):
        return 0.0
    types = [configured] if configured else [kind for kind in CONVERSION_ACTION_TYPES if kind in counts]
    return counts.get(types[0], 0.0) if types else 0.0


ACCOUNT_DAILY = Report(
    source=SOURCE,
    name="account_daily",
    description="Meta ad account totals by day: what the platform itself says, and what campaigns must add up to.",
    grain="one row per account and day with any activity",
    key=("date_start",),
    day_column="date_start",
    lookback_days=LOOKBACK_DAYS,
    columns=_ACCOUNT + _DAYS + _METRICS,
    cost_column="spend",
    conversions=conversions,
)
CAMPAIGN_DAILY = Report(
    source=SOURCE,
    name="campaign_daily",
    description="Meta campaigns by day. All statuses: archived and deleted campaigns have history.",
    grain="one row per account, campaign and day with any activity",
    key=("campaign_id", "date_start"),
    day_column="date_start",
    lookback_days=LOOKBACK_DAYS,
    columns=_ACCOUNT + _CAMPAIGN + _DAYS + _METRICS,
    cost_column="spend",
    conversions=conversions,
)
REPORTS = (ACCOUNT_DAILY, CAMPAIGN_DAILY)

_LEVEL = {ACCOUNT_DAILY.name: "account", CAMPAIGN_DAILY.name: "campaign"}


def insights_params(report: Report, window: DateWindow) -> dict[str, Any]:
    """The insights request for a window. ``time_range`` includes both ends; ``time_increment`` 1 gives
    days."""
    level = _LEVEL[report.name]
    elsewhere = {TIME_ZONE, *CAMPAIGN_STATUS}
    params: dict[str, Any] = {
        "level": level,
        "fields": ",".join(column.name for column in report.columns if column.name not in elsewhere),
        "time_range": {"since": str(window.start), "until": str(window.last)},
        "time_increment": 1,
    }
    if level == "campaign":
        every_status = {
            "field": "campaign.effective_status",
            "operator": "IN",
            "value": list(CAMPAIGN_STATUSES),
        }
        params["filtering"] = [every_status]
    return params
