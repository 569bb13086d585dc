"""The clients for BigQuery and Cloud Storage, and the credentials that they use."""

from __future__ import annotations

from typing import Any

import google.auth
from google.api_core.client_options import ClientOptions
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

from mdp_dagster.google_cloud.limited_requests import limit_requests
from mdp_dagster.google_cloud.settings import GoogleCloudSettings

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def bigquery_client(settings: GoogleCloudSettings) -> bigquery.Client:
    """Returns a BigQuery client. Each of its requests has a time limit.

    Raises:
        GoogleAuthError: The machine has no application default credentials.
    """
    endpoint = settings.bigquery_emulator_host
    client = bigquery.Client(
        project=settings.project,
        location=settings.location,
        credentials=_credentials(settings.impersonate_service_account, emulated=endpoint is not None),
        client_options=ClientOptions(api_endpoint=endpoint) if endpoint else None,
    )
    limit_requests(client)
    return client


def storage_client(settings: GoogleCloudSettings) -> storage.Client:
    """Returns a Cloud Storage client. Each of its requests has a time limit.

    Raises:
        GoogleAuthError: The machine has no application default credentials.
    """
    endpoint = settings.storage_emulator_host
    client = storage.Client(
        project=settings.project,
        credentials=_credentials(settings.impersonate_service_account, emulated=endpoint is not None),
        client_options=ClientOptions(api_endpoint=endpoint) if endpoint else None,
    )
    limit_requests(client)
    return client


def _credentials(service_account: str | None, emulated: bool) -> Any:
    if emulated:
        return AnonymousCredentials()
    found, _ = google.auth.default(scopes=_SCOPES)
    if service_account is None:
        return found
    return impersonated_credentials.Credentials(
        source_credentials=found, target_principal=service_account, target_scopes=list(_SCOPES)
    )
