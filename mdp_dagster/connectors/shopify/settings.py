"""The settings for Shopify."""

from __future__ import annotations

from datetime import date, datetime, timezone

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from mdp_dagster.settings import settings_config
from mdp_dagster.window import months_before

_HISTORY_MONTHS = 24


def default_first_change() -> date:
    """Returns the first day of the month 24 months ago (UTC)."""
    return months_before(datetime.now(timezone.utc).date().replace(day=1), _HISTORY_MONTHS)


class ShopifySettings(BaseSettings):
    """Access to Shopify's Admin API.

    ``start_date`` is the date of the last *change* (UTC), not of the order: the first sync reads every order that
    changed on this day or later. So the figures of each day from then on are complete, and earlier days have only a
    part of their orders.
    """

    model_config = settings_config("SHOPIFY_")

    client_id: str | None = None
    client_secret: SecretStr | None = None
    access_token: SecretStr | None = None  # instead of the two above: the token of one shop's own app
    api_url: str | None = None  # another server for all shops; None: https://<shop>.myshopify.com
    start_date: date = Field(default_factory=default_first_change, ge=date(2006, 1, 1))  # Shopify began in 2006
