"""Clients for BigQuery and Cloud Storage, with their credentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import google.auth
from dagster_gcp import BigQueryResource
from google.api_core.client_options import ClientOptions
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage
from pydantic import Field

from mdp_dagster.google_cloud.settings import GoogleCloudSettings

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class MdpBigQueryResource(BigQueryResource):
    """dagster-gcp's resource. It can also impersonate a service account, and use an emulator."""

    impersonate_service_account: str | None = Field(default=None, description="The service account to impersonate.")
    api_endpoint: str | None = Field(default=None, description="The address of an emulator, with http://.")

    @contextmanager
    def get_client(self) -> Iterator[bigquery.Client]:
        """Make a client.

        Raises:
            GoogleAuthError: there are no application default credentials.
        """
        yield bigquery.Client(
            project=self.project,
            location=self.location,
            credentials=_credentials(self.impersonate_service_account, emulated=self.api_endpoint is not None),
            client_options=ClientOptions(api_endpoint=self.api_endpoint) if self.api_endpoint else None,
        )


def bigquery_resource(settings: GoogleCloudSettings) -> MdpBigQueryResource:
    """The Dagster resource for the project in the settings."""
    return MdpBigQueryResource(
        project=settings.project,
        location=settings.location,
        impersonate_service_account=settings.impersonate_service_account,
        api_endpoint=settings.bigquery_emulator_host,
    )


def bigquery_client(settings: GoogleCloudSettings) -> bigquery.Client:
    """A BigQuery client for the project in the settings."""
    with bigquery_resource(settings).get_client() as client:
        return client


def storage_client(settings: GoogleCloudSettings) -> storage.Client:
    """A Cloud Storage client for the project in the settings."""
    emulated = settings.storage_emulator_host is not None
    return storage.Client(
        project=settings.project,
        credentials=_credentials(settings.impersonate_service_account, emulated),
        client_options=ClientOptions(api_endpoint=settings.storage_emulator_host) if emulated else None,
    )


def _credentials(impersonated: str | None, emulated: bool) -> Any:
    if emulated:
        return AnonymousCredentials()
    default, _ = google.auth.default(scopes=_SCOPES)
    if impersonated is None:
        return default
    return impersonated_credentials.Credentials(
        source_credentials=default, target_principal=impersonated, target_scopes=list(_SCOPES)
    )
