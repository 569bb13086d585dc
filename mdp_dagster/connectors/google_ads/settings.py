"""The settings for Google Ads."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings

from mdp_dagster.settings import expand_home, settings_config


class GoogleAdsSettings(BaseSettings):
    """Access to the Google Ads API. The variables have the names that google-ads itself reads."""

    model_config = settings_config("GOOGLE_ADS_")

    developer_token: SecretStr | None = None
    json_key_file_path: Path | None = None
    impersonated_email: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    use_application_default_credentials: bool = False
    login_customer_id: str | None = None
    endpoint: str | None = None
    http_proxy: str | None = None

    _home = field_validator("json_key_file_path")(expand_home)
