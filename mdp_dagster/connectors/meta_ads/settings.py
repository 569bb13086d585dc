"""The settings for Meta Ads."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from mdp_dagster.settings import settings_config


class MetaAdsSettings(BaseSettings):
    """Access to the Meta Marketing API."""

    model_config = settings_config("META_")

    access_token: SecretStr | None = None
    app_id: str | None = None
    app_secret: SecretStr | None = None
    graph_url: str = "https://graph.facebook.com"
    api_version: str | None = None  # None: the version that the installed SDK was made for
