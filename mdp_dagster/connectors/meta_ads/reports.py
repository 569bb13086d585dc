"""The reports of Meta and the parameters of their insights requests.

A column has the name of its insights field. Field meanings:
https://developers.facebook.com/docs/marketing-api/reference/ads-insights/. Meta sends numbers as text, and raw keeps
them as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mdp_dagster.connectors.base import CURRENCY_UNIT, AccountOptions, Amount, Column, ColumnType, DayReport
from mdp_dagster.number_text import decimal_number
from mdp_dagster.window import DateWindow

SOURCE = "meta_ads"
# "Insights don't change after 28 days" (marketing-api/insights/best-practices). Purchases count on their own day and
# are nearly complete after three days, but Meta may rewrite a day until then.
LOOKBACK_DAYS = 28
# Meta documents a refresh every 15 minutes and no change after 28 days (marketing-api/insights/best-practices), but not
# how long it processes events that arrive late. Half a day is MDP's own margin.
PROCESSING_HOURS = 12
# Error 3018: "cannot be beyond 37 months from the current date".
HISTORY_MONTHS = 37

# All values of Campaign.EffectiveStatus in facebook-business 26. Without this filter, Meta leaves out archived and
# deleted campaigns (facebook-python-business-sdk #292, airbyte #37437), although the account's own totals include them.
CAMPAIGN_STATUSES = ("ACTIVE", "ARCHIVED", "DELETED", "IN_PROCESS", "PAUSED", "WITH_ISSUES")

# An insights field that is not a column of the reports: each row's account is checked when the row is received.
ACCOUNT_ID = "account_id"

# Columns that insights do not have: they come from the account and from its campaigns.
TIME_ZONE = "timezone_name"
CAMPAIGN_STATUS = {"campaign_status": "status", "campaign_effective_status": "effective_status"}

_ACCOUNT = (
    Column("account_name", ColumnType.STRING, "Account name."),
    Column("account_currency", ColumnType.STRING, "Currency of the account's money.", "ISO 4217"),
    Column(TIME_ZONE, ColumnType.STRING, "Time zone of the account and of the days.", "IANA"),
)
_CAMPAIGN = (
    Column("campaign_id", ColumnType.STRING, "Campaign id."),
    Column("campaign_name", ColumnType.STRING, "Campaign name when the row was extracted."),
    Column("campaign_status", ColumnType.STRING, "Status as set by the advertiser, when the row was extracted."),
    Column("campaign_effective_status", ColumnType.STRING, "Status in effect when the row was extracted."),
    Column("objective", ColumnType.STRING, "Campaign objective when the row was extracted."),
)
_DAYS = (
    Column("date_start", ColumnType.STRING, "Day in the account's time zone.", "YYYY-MM-DD"),
    Column("date_stop", ColumnType.STRING, "The last day of the row. It must be the same day.", "YYYY-MM-DD"),
)
_METRICS = (
    Column("impressions", ColumnType.INTEGER_TEXT, "Times that an ad was shown."),
    Column("clicks", ColumnType.INTEGER_TEXT, "Clicks of all kinds."),
    Column("spend", ColumnType.DECIMAL_TEXT, "Spend.", CURRENCY_UNIT),
    Column("reach", ColumnType.INTEGER_TEXT, "People reached; not additive.", essential=False),
    Column(
        "inline_link_clicks",
        ColumnType.INTEGER_TEXT,
        "Clicks on links within the ad. Meta leaves it out if there are none.",
        essential=False,
    ),
    Column(
        "actions",
        ColumnType.JSON_TEXT,
        "Actions by action_type, as a JSON list, sorted. One purchase appears under several types: choose one, never "
        "sum. Meta leaves it out if there are none.",
    ),
    Column(
        "action_values",
        ColumnType.JSON_TEXT,
        "Values of the actions by action_type, as a JSON list, sorted.",
        CURRENCY_UNIT,
    ),
)

# One purchase appears under several types. MDP counts the first of these types that a row has, unless the account sets
# its own. dbt_project.yml has the same list for the models.
CONVERSION_ACTION_TYPES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")


def conversions(row: Mapping[str, Any], options: AccountOptions) -> float:
    """Returns the number of actions of one type.

    The type is the account's ``conversion_action_type`` or, without one, the first of ``CONVERSION_ACTION_TYPES`` that
    the row has. A list that cannot be read counts as 0; staging flags it.
    """
    actions = _by_type(row["actions"])
    return _total(actions, _chosen_type(actions, {}, options))


def conversion_value(row: Mapping[str, Any], options: AccountOptions) -> float:
    """Returns the value of the actions of the same type as ``conversions``.

    A value can arrive without its number: if the actions have none of the types, the type is chosen among the values.
    """
    values = _by_type(row["action_values"])
    return _total(values, _chosen_type(_by_type(row["actions"]), values, options))


_Values = dict[str, list[Decimal | None]]


def _by_type(text: str | None) -> _Values:
    """Returns the values of a list of actions, by action type; nothing of a list that cannot be read.

    An entry without a type does not count, as in staging. The other entries of its list do.
    """
    values: _Values = {}
    try:
        actions = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return {}
    for action in actions if isinstance(actions, list) else ():
        if isinstance(action, dict) and isinstance(action.get("action_type"), str):
            values.setdefault(action["action_type"], []).append(decimal_number(str(action.get("value"))))
    return values


def _chosen_type(actions: _Values, action_values: _Values, options: AccountOptions) -> str | None:
    if configured := options.get("conversion_action_type"):
        return configured
    return next((kind for found in (actions, action_values) for kind in CONVERSION_ACTION_TYPES if kind in found), None)


def _total(values: _Values, action_type: str | None) -> float:
    chosen = values.get(action_type, []) if action_type else []
    numbers = [number for number in chosen if number is not None]
    return float(sum(numbers)) if len(numbers) == len(chosen) else 0.0


_AMOUNTS = {
    "spend": Amount("spend", is_money=True),
    "conversions": Amount("actions", read=conversions),
    "conversion_value": Amount("action_values", is_money=True, read=conversion_value),
    "clicks": Amount("clicks"),
    "impressions": Amount("impressions"),
    "link_clicks": Amount("inline_link_clicks"),
}

ACCOUNT_DAILY = DayReport(
    source=SOURCE,
    name="account_daily",
    description="Meta ad account totals by day, as reported by Meta. Campaigns must add up to them.",
    grain="one row per account and day with any activity",
    key=("date_start",),
    day_column="date_start",
    period_end_column="date_stop",
    currency_column="account_currency",
    lookback_days=LOOKBACK_DAYS,
    processing_hours=PROCESSING_HOURS,
    history_months=HISTORY_MONTHS,
    columns=_ACCOUNT + _DAYS + _METRICS,
    amounts=_AMOUNTS,
)
CAMPAIGN_DAILY = DayReport(
    source=SOURCE,
    name="campaign_daily",
    description="Meta campaigns by day. All statuses: archived and deleted campaigns have history.",
    grain="one row per account, campaign and day with any activity",
    key=("campaign_id", "date_start"),
    day_column="date_start",
    period_end_column="date_stop",
    currency_column="account_currency",
    lookback_days=LOOKBACK_DAYS,
    processing_hours=PROCESSING_HOURS,
    history_months=HISTORY_MONTHS,
    columns=_ACCOUNT + _CAMPAIGN + _DAYS + _METRICS,
    amounts=_AMOUNTS,
    adds_up_to=ACCOUNT_DAILY.name,
    checkpoint_ages=(14, 28),  # credit can move between campaigns while the total stays
    attribute_columns=tuple(CAMPAIGN_STATUS),
)
REPORTS = (ACCOUNT_DAILY, CAMPAIGN_DAILY)

_LEVEL = {ACCOUNT_DAILY.name: "account", CAMPAIGN_DAILY.name: "campaign"}


def insights_params(report: DayReport, window: DateWindow, campaign_ids: Sequence[str] | None = None) -> dict[str, Any]:
    """Returns the parameters of the insights request for a window.

    ``time_range`` includes both ends. ``time_increment`` 1 returns one row per day.

    Args:
        report: The report.
        window: The days.
        campaign_ids: The only campaigns to request. Default: all.
    """
    level = _LEVEL[report.name]
    elsewhere = {TIME_ZONE, *CAMPAIGN_STATUS}
    fields = (ACCOUNT_ID, *(column.name for column in report.columns if column.name not in elsewhere))
    params: dict[str, Any] = {
        "level": level,
        "fields": ",".join(fields),
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
        if campaign_ids:
            params["filtering"].append({"field": "campaign.id", "operator": "IN", "value": list(campaign_ids)})
    return params
