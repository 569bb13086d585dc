"""The settings for Example Ads."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from mdp_dagster.settings import settings_config


class ExampleAdsSettings(BaseSettings):
    """Access to the Example Ads API."""

    model_config = settings_config("EXAMPLE_ADS_")

    access_token: SecretStr | None = None
    api_url: str = "https://api.example.com"
