"""A served row of the world, and the same row as a mart of the grain campaign and day must show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.behaviour import Metrics
from sandbox.model import Account, Campaign


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
    """
    return {
        "date": row.day,
        "platform": row.account.platform,
        "account_id": row.account.id,
        "account_name": row.account.name,
        "campaign_id": str(row.campaign.id),
        "campaign_name": row.campaign.name,
        "currency": row.account.currency,
        "impressions": row.metrics.impressions,
        "clicks": row.metrics.clicks,
        "spend": hundredths(row.metrics.spend),
        "conversions": hundredths(row.metrics.conversions),
        "conversion_value": hundredths(row.metrics.conversion_value),
    }
