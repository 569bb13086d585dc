"""BigQuery's client as a Dagster resource, for assets that people add. MDP's own code uses ``Services``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster_gcp import BigQueryResource
from google.cloud import bigquery
from pydantic import Field

from mdp_dagster.google_cloud.clients import bigquery_client
from mdp_dagster.google_cloud.settings import GoogleCloudSettings


class MdpBigQueryResource(BigQueryResource):
    """dagster-gcp's resource, which can also impersonate a service account and reach an emulator."""

    impersonate_service_account: str | None = Field(default=None, description="The service account to impersonate.")
    api_endpoint: str | None = Field(default=None, description="An emulator's address, with http://.")

    @contextmanager
    def get_client(self) -> Iterator[bigquery.Client]:
        """Yields a client.

        Raises:
            GoogleAuthError: The machine has no application default credentials.
        """
        yield bigquery_client(
            GoogleCloudSettings.model_construct(
                project=self.project,
                location=self.location,
                impersonate_service_account=self.impersonate_service_account,
                bigquery_emulator_host=self.api_endpoint,
            )
        )


def bigquery_resource(settings: GoogleCloudSettings) -> MdpBigQueryResource:
    """Returns the resource for the given project."""
    return MdpBigQueryResource(
        project=settings.project,
        location=settings.location,
        impersonate_service_account=settings.impersonate_service_account,
        api_endpoint=settings.bigquery_emulator_host,
    )
