"""The settings for Google Cloud, under the names that Google's own libraries read."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from mdp_dagster.settings import read_settings, settings_config


class GoogleCloudSettings(BaseSettings):
    """The project, the location and the addresses of BigQuery and Cloud Storage.

    The credentials are Google's application default credentials: a key file (GOOGLE_APPLICATION_CREDENTIALS), workload
    identity, or gcloud's login.
    """

    model_config = settings_config("")

    project: str = Field(alias="GOOGLE_CLOUD_PROJECT", pattern=r"^[a-z0-9.:-]{4,}$")
    location: str = Field(alias="BIGQUERY_LOCATION")  # no default: a dataset can't be moved later
    impersonate_service_account: str | None = Field(default=None, alias="MDP_GOOGLE_IMPERSONATE_SERVICE_ACCOUNT")
    bigquery_emulator_host: str | None = Field(default=None, alias="BIGQUERY_EMULATOR_HOST")
    storage_emulator_host: str | None = Field(default=None, alias="STORAGE_EMULATOR_HOST")


def load_google_cloud_settings() -> GoogleCloudSettings:
    """The settings for Google Cloud.

    Raises:
        SettingsError: The project or the location is missing.
    """
    return read_settings(GoogleCloudSettings)
