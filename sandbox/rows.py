"""A served row of the world, and the same row as a mart of the grain campaign and day must show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.behaviour import Metrics
from sandbox.model import Account, Campaign
from sandbox.platforms import platforms


@dataclass(frozen=True, slots=True)
class CampaignDay:
    """The served metrics of one campaign on one day in the account's time zone."""

    account: Account
    campaign: Campaign
    day: date
    metrics: Metrics


def hundredths(amount: int) -> Decimal:
    """An amount in hundredths as a Decimal with two places."""
    return Decimal(amount).scaleb(-2)


def normalised(row: CampaignDay) -> dict[str, Any]:
    """The row with the columns of the marts: spend and value in the account's currency, as Decimal with two places.

    Conversions on Meta count one action type: the account's configured one, else the first that is there of
    omni_purchase, purchase, offsite_conversion.fb_pixel_purchase.

    The conversions by their own day are the platform's second measure, or its first one if they count on that day.
    Otherwise, and before the first day with a documented dating, they are None.
    """
    metrics = row.metrics
    platform = platforms()[row.account.platform]
    dating: str | None = "conversion" if platform.dating == "conversion" else "click"
    if row.day < platform.dating_since:
        dating = None
    by_date: tuple[Decimal | None, Decimal | None] = (None, None)
    if platform.dating == "both":
        by_date = (hundredths(metrics.conversions_by_date), hundredths(metrics.conversion_value_by_date))
    elif dating == "conversion":
        by_date = (hundredths(metrics.conversions), hundredths(metrics.conversion_value))
    return {
        "date": row.day,
        "platform": row.account.platform,
        "account_id": row.account.id,
        "account_name": row.account.name,
        "campaign_id": str(row.campaign.id),
        "campaign_name": row.campaign.name,
        "currency": row.account.currency,
        "impressions": metrics.impressions,
        "clicks": metrics.clicks,
        "clicks_all": metrics.clicks,
        "link_clicks": platform.link_clicks(metrics.clicks),
        "spend": hundredths(metrics.spend),
        "conversions": hundredths(metrics.conversions),
        "conversion_value": hundredths(metrics.conversion_value),
        "conversions_by_conversion_date": by_date[0],
        "conversion_value_by_conversion_date": by_date[1],
        "conversion_dating": dating,
    }
